/** Which attempt is next, and how one ended: the states of a training run between its attempts. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fence } from '../db/training-run-acts.js';
import type { Claim, Retry } from '../db/training-run-leases.js';
import { failpoint } from '../failpoints.js';
import type { Attempt, Result } from './attempt.js';
import { leaseOf } from './lease.js';
import type { RunnerParts } from './options.js';
import { whenThereIsRoom } from './room.js';

const RETRY_AFTER_MS = 1000;
/** Of the lease, which nobody renews between two attempts. */
const LONGEST_WAIT = 1 / 3;

/** What to run from now on: what another process left, or what waits. */
export async function claimed(parts: RunnerParts): Promise<Claim> {
  const { database, checkpoint, now, changed } = parts;
  const claim = await database.run('claimTrainingRun', {
    base_digest: checkpoint.digest,
    at: now(),
    lease: leaseOf(parts),
  });
  if (claim.kind === 'claimed') failpoint('run.claimed');
  changed();
  return claim;
}

/** Writes down how an attempt ended, as soon as the disk takes it; resolves with the next one. */
export async function settle(
  parts: RunnerParts,
  { fence }: Attempt,
  result: Result,
  closing: AbortSignal,
): Promise<Fence | null> {
  const { log, changed, leaseMs, retryAfterMs = RETRY_AFTER_MS } = parts;
  const retry = await whenThereIsRoom(parts, fence, closing, () => written(parts, fence, result, closing));
  changed();
  failpoint('run.ended');
  log.info({ run: fence.id, attempt: fence.attempt, ...result }, 'an attempt of a training run ended');
  if (retry === null) return null;
  await sleep(Math.min(retryAfterMs * retry.crashes, LONGEST_WAIT * leaseMs), undefined, { signal: closing }).catch(
    () => undefined,
  );
  return { id: retry.id, attempt: retry.attempt };
}

async function written(parts: RunnerParts, fence: Fence, result: Result, closing: AbortSignal): Promise<Retry | null> {
  const { database } = parts;
  const act = { ...fence, at: parts.now() };
  if (result.kind === 'succeeded') await database.run('endTrainingRun', { ...act, state: 'succeeded', error: null });
  else if (closing.aborted) await database.run('parkTrainingRun', act);
  else if (result.kind === 'failed')
    await database.run('endTrainingRun', { ...act, state: 'failed', error: result.reason });
  else if (result.kind === 'broken')
    return await database.run('crashTrainingRun', { ...act, reason: result.reason, lease: leaseOf(parts) });
  return null;
}
