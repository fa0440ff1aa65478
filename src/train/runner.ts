/** Takes training runs out of the queue, one after the other, and sees each to its end. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fence } from '../db/training-run-acts.js';
import { Attempt } from './attempt.js';
import type { RunnerOptions, RunnerParts } from './options.js';
import { claimed, settle } from './queue.js';
import { forgetEnded } from './states.js';

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

export const createRunner = (options: RunnerOptions): Runner => new QueueRunner(options);

class QueueRunner implements Runner {
  readonly #parts: RunnerParts;
  readonly #closing = new AbortController();
  #working: Promise<void> | null = null;
  #attempt: Attempt | null = null;
  #retry: NodeJS.Timeout | undefined;
  /** Somebody may have put a run into the queue since it was looked at last. */
  #asked = false;

  constructor(options: RunnerOptions) {
    this.#parts = { leaseMs: LEASE_MS, ...options, owner: randomUUID() };
  }

  pump(): void {
    this.#asked = true;
    if (this.#closing.signal.aborted || this.#working !== null) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#working = this.#work()
      .catch((error: unknown) => this.#later(error))
      .then(() => {
        this.#working = null;
        if (this.#asked && this.#retry === undefined) this.pump();
      });
  }

  stop(id: string): void {
    if (this.#attempt?.id === id) this.#attempt.stop();
    this.#parts.changed();
  }

  /** What ended may have been followed by another. */
  async idle(): Promise<void> {
    while (this.#working !== null) await this.#working;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#retry);
    this.#attempt?.stop();
    await this.#working;
  }

  #later(error: unknown): void {
    this.#parts.log.error({ err: error }, 'training runs cannot go on at the moment');
    this.#retry = setTimeout(() => this.pump(), STORAGE_RETRY_MS).unref();
  }

  async #work(): Promise<void> {
    const { signal } = this.#closing;
    await forgetEnded(this.#parts);
    while (!signal.aborted) {
      this.#asked = false;
      const claim = await claimed(this.#parts);
      if (claim.kind === 'claimed') await this.#see(claim.fence);
      else if (claim.kind === 'leased')
        await sleep(waitFor(claim.until, this.#parts), undefined, { signal }).catch(() => undefined);
      else if (!this.#asked) return;
    }
  }

  /** The run, attempt by attempt, to its end. */
  async #see(fence: Fence): Promise<void> {
    let next: Fence | null = fence;
    while (next !== null) {
      const attempt = (this.#attempt = new Attempt(this.#parts, next));
      if (this.#closing.signal.aborted) attempt.stop();
      next = await settle(this.#parts, attempt, await attempt.run(), this.#closing.signal);
      this.#attempt = null;
    }
    await forgetEnded(this.#parts, [fence.id]);
  }
}

const waitFor = (until: string, { now }: RunnerParts): number =>
  Math.min(LOOK_AGAIN_MS, Math.max(1, Date.parse(until) - Date.parse(now()) + 1));
