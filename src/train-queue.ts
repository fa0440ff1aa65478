/** Which attempt is next, and how one ended: the states of a training run between its attempts. */
import { type Fence, runningTrainingRuns } from './db/training-runs.js';
import type { Attempt, Result } from './train-attempt.js';
import type { RunnerOptions } from './train-options.js';

const RETRY_AFTER_MS = 1000;

/** A run found running belonged to a service that ended without closing. */
export async function recovered({ database, checkpoint, now, changed }: RunnerOptions): Promise<Fence | null> {
  for (const { base_digest, ...fence } of await runningTrainingRuns(database.kysely)) {
    const ours = base_digest === checkpoint.digest;
    const next = ours
      ? await database.run('crashTrainingRun', { ...fence, at: now(), reason: 'the service ended during the run' })
      : null;
    const error = 'the service was started with another base model while the run was running';
    if (!ours) await database.run('endTrainingRun', { ...fence, at: now(), state: 'failed', error });
    changed();
    if (next !== null) return next;
  }
  return null;
}

export async function begun({ database, checkpoint, now, changed }: RunnerOptions): Promise<Fence | null> {
  const next = await database.run('beginTrainingRun', { base_digest: checkpoint.digest, at: now() });
  changed();
  return next;
}

/** Writes down how an attempt ended; resolves with the next one. */
export async function settle(
  { database, now, log, changed, retryAfterMs = RETRY_AFTER_MS }: RunnerOptions,
  attempt: Attempt,
  result: Result,
  closing: AbortSignal,
): Promise<Fence | null> {
  const { fence } = attempt;
  const at = now();
  let next: Fence | null = null;
  if (result.kind === 'succeeded')
    await database.run('endTrainingRun', { ...fence, at, state: 'succeeded', error: null });
  else if (closing.aborted) await database.run('parkTrainingRun', { ...fence, at });
  else if (result.kind === 'failed')
    await database.run('endTrainingRun', { ...fence, at, state: 'failed', error: result.reason });
  else if (result.kind === 'broken')
    next = await database.run('crashTrainingRun', { ...fence, at, reason: result.reason });
  changed();
  log.info({ run: fence.id, attempt: fence.attempt, ...result }, 'an attempt of a training run ended');
  if (next !== null) await new Promise((resolve) => setTimeout(resolve, retryAfterMs * fence.attempt));
  return next;
}
