/** Takes training runs out of the queue, one after the other, and sees each to its end. */
import type { Fence } from './db/training-runs.js';
import { Attempt } from './train-attempt.js';
import { begun, recovered, settle } from './train-queue.js';
import type { RunnerOptions } from './train-options.js';
import { forgetEnded, forgetStates } from './train-states.js';

export interface Runner {
  /** Looks into the queue, unless a run is under way. */
  pump(): void;
  /** Ends what is under way of the run; it has another state by now. */
  stop(id: string): void;
  idle(): Promise<void>;
  close(): Promise<void>;
}

const STORAGE_RETRY_MS = 5000;

export function createRunner(options: RunnerOptions): Runner {
  let working: Promise<void> | null = null;
  let attempt: Attempt | null = null;
  const closing = new AbortController();
  let retry: NodeJS.Timeout | undefined;
  /** Somebody may have put a run into the queue since it was looked at last. */
  let asked = false;

  const see = async (fence: Fence): Promise<void> => {
    let next: Fence | null = fence;
    while (next !== null) {
      attempt = new Attempt(options, next);
      if (closing.signal.aborted) attempt.stop();
      next = await settle(options, attempt, await attempt.run(), closing.signal);
      attempt = null;
    }
    if (!closing.signal.aborted) await forgetStates(options, fence.id);
  };
  const work = async (): Promise<void> => {
    await forgetEnded(options);
    while (!closing.signal.aborted) {
      asked = false;
      const next: Fence | null = (await recovered(options)) ?? (await begun(options));
      if (next !== null) await see(next);
      else if (!asked) return;
    }
  };
  const pump = (): void => {
    asked = true;
    if (closing.signal.aborted || working !== null) return;
    clearTimeout(retry);
    retry = undefined;
    working = work()
      .catch((error: unknown) => {
        options.log.error({ err: error }, 'training runs cannot go on at the moment');
        retry = setTimeout(pump, STORAGE_RETRY_MS).unref();
      })
      .then(() => {
        working = null;
        if (asked && retry === undefined) pump();
      });
  };
  /** What ended may have been followed by another. */
  const idle = async (): Promise<void> => {
    if (working === null) return;
    await working;
    await idle();
  };
  return {
    pump,
    stop: (id) => {
      if (attempt?.id === id) attempt.stop();
      options.changed();
    },
    idle,
    close: async () => {
      closing.abort();
      clearTimeout(retry);
      attempt?.stop();
      await working;
    },
  };
}
