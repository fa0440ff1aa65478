/**
 * Where the saved states of runs lie: each attempt writes into a directory of its own, so that what an earlier one still
 * writes is in nobody's way. A state counts when the database has its checkpoint.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Fence, RunCheckpoint } from '../db/training-run-acts.js';
import { findTrainingRun, readCheckpoints } from '../db/training-run-rows.js';
import { failpoint } from '../failpoints.js';
import { moveDurably } from '../files.js';
import type { RunnerOptions } from './options.js';
import { KEPT_STATES, stateName } from '../training/supervisor.js';

const statesOf = ({ directory }: RunnerOptions, id: string): string => path.join(directory, id);

export interface States {
  /** The attempt's own. */
  readonly directory: string;
  /** What the run may go on from, the newest first. */
  readonly checkpoints: readonly RunCheckpoint[];
}

/** Takes the states of earlier attempts over into the attempt's own directory, and does away with theirs. */
export async function openStates(options: RunnerOptions, { id, attempt }: Fence): Promise<States> {
  const all = statesOf(options, id);
  const directory = path.join(all, String(attempt));
  await mkdir(directory, { recursive: true });
  const checkpoints = (await readCheckpoints(options.database.kysely, id)).slice(0, KEPT_STATES);
  const earlier = (await readdir(all)).filter((name) => Number(name) < attempt);
  for (const name of earlier.toSorted((a, b) => Number(a) - Number(b)))
    for (const { epoch } of checkpoints)
      await moveDurably(path.join(all, name, stateName(epoch)), path.join(directory, stateName(epoch))).catch(
        ignoreAbsence,
      );
  for (const name of earlier) await rm(path.join(all, name), { recursive: true, force: true });
  return { directory, checkpoints };
}

function ignoreAbsence(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** Removes what lies of runs that have ended: of these, or of all. Space is all that is lost when it fails. */
export async function forgetEnded(options: RunnerOptions, ids?: readonly string[]): Promise<void> {
  for (const id of ids ?? (await readdir(options.directory).catch((): string[] => []))) {
    const run = await findTrainingRun(options.database.kysely, id);
    if (run?.ended_at === null) continue;
    await rm(statesOf(options, id), { recursive: true, force: true }).catch((error: unknown) =>
      options.log.error({ err: error, run: id }, 'the saved states of a training run could not be removed'),
    );
    failpoint('run.states.removed');
  }
}
