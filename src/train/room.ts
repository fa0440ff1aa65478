/** A full disk or a full queue ends no training run: what it has to write or to ask waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fence } from '../db/training-run-acts.js';
import { Problem, type ProblemCode } from '../errors.js';
import type { RunnerOptions } from './options.js';

const RETRY_MS = 1000;
/** Refusals that pass by themselves, or when somebody makes room. */
const NO_ROOM: ReadonlySet<unknown> = new Set<ProblemCode>(['storage-full', 'queue-full']);

/** What `act` gives as soon as there is room for it. Rejects with what else it throws; on abort with the last refusal. */
export async function whenThereIsRoom<T>(
  { log, waits }: Pick<RunnerOptions, 'log' | 'waits'>,
  { id: run, attempt }: Fence,
  signal: AbortSignal,
  act: () => Promise<T>,
): Promise<T> {
  let waited = false;
  try {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof Problem && NO_ROOM.has(error.code)) || signal.aborted) throw error;
        if (!waited) log.error({ err: error, run, attempt }, 'a training run waits until there is room');
        waits.begin(run, error.message);
        waited = true;
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    if (waited) waits.end(run);
  }
}
