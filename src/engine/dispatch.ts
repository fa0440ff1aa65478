/** From the queue to the children and back: batch after batch, as children become idle. */
import { overdue } from '../errors.js';
import type { EngineOptions, EngineTotals } from './engine.js';
import type { Queue } from './queue.js';
import { paddedTokens, tokensOf } from './queue.js';
import type { Request } from './request.js';
import type { Seat } from './seats.js';
import { count, failedOnce, isGivenUp, packed, settle, unavailable } from './settling.js';
import { limitsOf, seated, wideSlot } from './sharing.js';
import type { Slot } from './slot.js';

const SLOWER_THAN_PREDICTED = 10;
/** How long a wide batch keeps the others from work, or so many times what one core should take for it. */
const WIDE_PATIENCE_MS = 300;
const WIDE_SLOWER_THAN_PREDICTED = 3;

export interface DispatchParts {
  readonly queue: Queue;
  readonly options: EngineOptions;
  readonly slots: () => readonly Slot[];
  /** Logits of a row. */
  readonly labels: number;
  /** Whether an adapter may be taken along for a rider. */
  readonly isLoaded: (adapter: string) => boolean;
}

export class Dispatch {
  readonly #parts: DispatchParts;
  readonly totals: EngineTotals = {
    batches: 0,
    rows: 0,
    tokens: 0,
    paddedTokens: 0,
    mixedBatches: 0,
    retries: 0,
    restarts: 0,
  };
  #batches = 0;
  #running = 0;
  #retries = 0;
  #wideRuns = false;
  #closed = false;
  #ageTimer: NodeJS.Timeout | undefined;

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  /** Tokens that the children have. */
  get running(): number {
    return this.#running;
  }

  /** Gives every idle child a share of what waits. */
  next(): void {
    const { queue, options, slots, isLoaded } = this.#parts;
    clearTimeout(this.#ageTimer);
    for (;;) {
      const idle = slots().filter(({ state, reserved }) => state === 'idle' && !reserved);
      if (idle.length === 0 || queue.length === 0 || this.#wideRuns || this.#closed) return;
      const sharing = { queue, options, idle };
      const entries = queue.take(limitsOf(sharing), performance.now());
      if (entries.length === 0) return this.#nextWhenOld();
      const wide = wideSlot(entries, sharing, slots().length);
      void this.#run(wide, idle[0]!, seated(entries, wide ?? idle[0]!, sharing, isLoaded));
    }
  }

  fail(request: Request, reason: Error): void {
    if (request.settled) return;
    request.fail(reason);
    this.#parts.queue.drop(request);
  }

  failLate(request: Request): void {
    this.fail(request, overdue());
  }

  /** Nothing is given to anybody any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#ageTimer);
  }

  #nextWhenOld(): void {
    const { queue, options } = this.#parts;
    const age = performance.now() - (queue.oldestSince ?? 0);
    this.#ageTimer = setTimeout(() => this.next(), Math.max(1, options.batchAgeMs - age));
  }

  async #run(wide: Slot | undefined, other: Slot, seats: readonly Seat[]): Promise<void> {
    const slot = wide ?? other;
    const predictedMs = (1000 * paddedTokens(seats)) / slot.rate.tokensPerSecond;
    const shareCores = wide && this.#reserveCores(predictedMs);
    slot.state = 'busy';
    this.#running += tokensOf(seats);
    try {
      await this.#judge(slot, seats, { predictedMs, wide: wide !== undefined });
    } catch (error) {
      this.#retry(seats, error as Error);
    }
    this.#running -= tokensOf(seats);
    shareCores?.();
    if (slot.state === 'busy') slot.state = 'idle';
    this.next();
  }

  async #judge(
    slot: Slot,
    seats: readonly Seat[],
    { predictedMs, wide }: { predictedMs: number; wide: boolean },
  ): Promise<void> {
    const { options, labels } = this.#parts;
    const started = performance.now();
    const limitMs = Math.max(options.stuckAfterMs, SLOWER_THAN_PREDICTED * predictedMs);
    const logits = await slot.child.run({ ...packed(seats), id: ++this.#batches, wide }, limitMs);
    if (!wide) slot.rate.add(tokensOf(seats), performance.now() - started);
    count(this.totals, seats);
    settle(seats, logits, labels);
  }

  /** The wide session has all cores to itself, unless it takes so long that its child may be stuck. */
  #reserveCores(predictedMs: number): () => void {
    this.#wideRuns = true;
    const share = (): void => {
      clearTimeout(timer);
      this.#wideRuns = false;
      this.next();
    };
    const timer = setTimeout(share, Math.max(WIDE_PATIENCE_MS, WIDE_SLOWER_THAN_PREDICTED * predictedMs));
    return share;
  }

  /** Rows that failed go back to the front of the line; the request of one that failed too often is told. */
  #retry(seats: readonly Seat[], cause: Error): void {
    const entries = failedOnce(seats, () => `retry ${++this.#retries}`);
    const problem = unavailable('the pair could not be judged', cause);
    for (const entry of entries) if (isGivenUp(entry) || this.#closed) this.fail(entry.request, problem);
    const again = entries.filter(({ request }) => !request.settled);
    this.totals.retries += again.length;
    this.#parts.queue.restore(again);
  }
}
