/** Where the saved states of runs lie, and when they are forgotten. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { findTrainingRun } from './db/training-run-rows.js';
import type { RunnerOptions } from './train-options.js';

export const stateDirectory = (directory: string, id: string): string => path.join(directory, id);

/** Space is all that is lost when it fails. */
export async function forgetStates({ directory, log }: RunnerOptions, id: string): Promise<void> {
  await rm(stateDirectory(directory, id), { recursive: true, force: true }).catch((error: unknown) =>
    log.error({ err: error, run: id }, 'the saved states of a training run could not be removed'),
  );
}

/** A service that was killed left the states of runs that have ended. */
export async function forgetEnded(options: RunnerOptions): Promise<void> {
  const ids = await readdir(options.directory).catch((): string[] => []);
  for (const id of ids) {
    const run = await findTrainingRun(options.database.kysely, id);
    if (run?.ended_at !== null) await forgetStates(options, id);
  }
}
