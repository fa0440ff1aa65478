/** Takes training runs out of the queue, one after the other, and sees each to its end. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fence } from './db/training-run-acts.js';
import { Attempt } from './train-attempt.js';
import type { RunnerOptions, RunnerParts } from './train-options.js';
import { claimed, settle } from './train-queue.js';
import { forgetEnded } from './train-states.js';

export interface Runner {
  /** Looks into the queue, unless a run is under way. */
  pump(): void;
  /** Ends what is under way of the run; it has another state by now. */
  stop(id: string): void;
  idle(): Promise<void>;
  close(): Promise<void>;
}

const STORAGE_RETRY_MS = 5000;
const LEASE_MS = 15_000;
/** What another process runs may end before its lease does. */
const LOOK_AGAIN_MS = 1000;

export function createRunner(options: RunnerOptions): Runner {
  const parts: RunnerParts = { leaseMs: LEASE_MS, ...options, owner: randomUUID() };
  let working: Promise<void> | null = null;
  let attempt: Attempt | null = null;
  const closing = new AbortController();
  let retry: NodeJS.Timeout | undefined;
  /** Somebody may have put a run into the queue since it was looked at last. */
  let asked = false;

  const see = async (fence: Fence): Promise<void> => {
    let next: Fence | null = fence;
    while (next !== null) {
      attempt = new Attempt(parts, next);
      if (closing.signal.aborted) attempt.stop();
      next = await settle(parts, attempt, await attempt.run(), closing.signal);
      attempt = null;
    }
    await forgetEnded(parts, [fence.id]);
  };
  const work = async (): Promise<void> => {
    await forgetEnded(parts);
    while (!closing.signal.aborted) {
      asked = false;
      const claim = await claimed(parts);
      if (claim.kind === 'claimed') await see(claim.fence);
      else if (claim.kind === 'leased')
        await sleep(waitFor(claim.until, parts), undefined, { signal: closing.signal }).catch(() => undefined);
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

const waitFor = (until: string, { now }: RunnerParts): number =>
  Math.min(LOOK_AGAIN_MS, Math.max(1, Date.parse(until) - Date.parse(now()) + 1));
