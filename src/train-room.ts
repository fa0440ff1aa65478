/** A full disk ends no training run: what it has to write waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fence } from './db/training-run-acts.js';
import { Problem } from './errors.js';
import type { RunnerOptions } from './train-options.js';

const RETRY_MS = 1000;

/** What `act` gives as soon as the disk has room for it. Rejects with what else it throws; on abort with the last refusal. */
export async function whenThereIsRoom<T>(
  { log }: Pick<RunnerOptions, 'log'>,
  { id: run, attempt }: Fence,
  signal: AbortSignal,
  act: () => Promise<T>,
): Promise<T> {
  for (let refusals = 0; ; refusals++) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Problem && error.code === 'storage-full') || signal.aborted) throw error;
      if (refusals === 0) log.error({ err: error, run, attempt }, 'a training run waits for space on the disk');
    }
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}
