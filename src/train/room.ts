/** A full disk or a full queue ends no training run: what it has to write or to ask waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fence } from '../db/training-run-acts.js';
import { Problem, type ProblemCode } from '../errors.js';
import type { RunnerOptions } from './options.js';

const RETRY_MS = 1000;
/** Refusals that pass by themselves, or when somebody makes room. */
const NO_ROOM: { readonly [code in ProblemCode]?: string } = {
  'storage-full': 'no space left on the disk',
  'queue-full': 'the queue of the engine is full',
};

/** What `act` gives as soon as there is room for it. Rejects with what else it throws; on abort with the last refusal. */
export async function whenThereIsRoom<T>(
  { log, waits }: Pick<RunnerOptions, 'log' | 'waits'>,
  { id: run, attempt }: Fence,
  signal: AbortSignal,
  act: () => Promise<T>,
): Promise<T> {
  let tried = await attempted(act);
  if ('value' in tried) return tried.value;
  log.error({ err: tried.refusal, run, attempt }, 'a training run waits until there is room');
  waits.begin(run, 'service', tried.reason);
  try {
    while (!('value' in tried)) {
      if (signal.aborted) throw tried.refusal;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      tried = await attempted(act);
    }
    return tried.value;
  } finally {
    waits.end(run, 'service');
  }
}

type Tried<T> = { readonly value: T } | { readonly refusal: Problem; readonly reason: string };

async function attempted<T>(act: () => Promise<T>): Promise<Tried<T>> {
  try {
    return { value: await act() };
  } catch (error) {
    const reason = error instanceof Problem ? NO_ROOM[error.code] : undefined;
    if (reason === undefined) throw error;
    return { refusal: error as Problem, reason };
  }
}
