/** Which adapters the engine holds: the active one always, a bounded number of others, the least recently used go first. */
import type { ClassifyOptions, Engine } from './engine/engine.js';
import { overdue, Problem } from './errors.js';
import { inTime } from './in-time.js';

type Tensors = Parameters<Engine['hold']>[1];

export interface HeldParts {
  readonly engine: Pick<Engine, 'hold' | 'forget' | 'classify'>;
  /** The tensors of a registered adapter, by its digest. */
  readonly load: (digest: string) => Promise<Tensors>;
  /** Adapters kept beside the active one. */
  readonly most: number;
}

interface Held {
  readonly ready: Promise<void>;
  /** How many are judging with it now, or wait for it; loading it counts for one. */
  users: number;
  /** Whether its answers are finite, once that was asked. */
  usable?: Promise<boolean>;
}

export interface UseOptions {
  /** Also when all that are held are in use. */
  readonly always?: boolean;
  /** How long it is waited for, in the clock of performance.now(). */
  readonly deadline?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A row that any model can judge: the smallest pair there is. */
const PROBE = Int32Array.of(1, 2, 2);
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class HeldAdapters {
  readonly #parts: HeldParts;
  /** Least recently used first. */
  readonly #held = new Map<string, Held>();
  #pinned: string | null = null;
  #kept: string | null = null;

  constructor(parts: HeldParts) {
    this.#parts = parts;
  }

  /** The digest that is never let go; what was pinned before is kept as the last used. */
  pin(digest: string | null): void {
    if (this.#pinned !== null) this.#touch(this.#pinned);
    this.#pinned = digest;
    this.#shrink();
  }

  /** As `pin`, of one more: the candidate of the live shadow. */
  keep(digest: string | null): void {
    if (this.#kept !== null) this.#touch(this.#kept);
    this.#kept = digest;
    this.#shrink();
  }

  /**
   * Does `work` while every child can answer with the adapter.
   * Rejects with Problem 'queue-full' when as many others are in use as may be held, with what `load` throws, or, while it
   * is loaded, with Problem 'deadline' or the signal's reason; others may wait for it on.
   */
  async use<T>(digest: string, work: () => Promise<T>, options: UseOptions = {}): Promise<T> {
    const held = this.#held.get(digest) ?? this.#hold(digest, options);
    this.#touch(digest);
    held.users += 1;
    try {
      await awaited(held, options);
      return await work();
    } finally {
      this.#release(held);
    }
  }

  /** The engine's classify for any registered adapter: one that is not held is loaded first. Riders must be held. */
  classify(rows: readonly Int32Array[], options: ClassifyOptions = {}): Promise<(Float32Array | null)[]> {
    const { adapter = null, adapters = [adapter], deadline, signal } = options;
    const run = (): Promise<(Float32Array | null)[]> => this.#parts.engine.classify(rows, options);
    return adapters
      .filter((one) => one !== null)
      .reduce((work: typeof run, one) => () => this.use(one, work, { deadline, signal }), run)();
  }

  /** Whether the adapter's answers are finite: it judges one row, and as long as it is held not again. Rejects as `use`. */
  async isUsable(digest: string): Promise<boolean> {
    return this.use(digest, () => this.#proven(digest), { always: true });
  }

  /** What could not be asked is asked again the next time. */
  async #proven(digest: string): Promise<boolean> {
    const held = this.#held.get(digest)!;
    held.usable ??= this.#parts.engine.classify([PROBE], { adapter: digest }).then(([logits]) => logits !== null);
    return held.usable.catch((error: unknown) => {
      delete held.usable;
      throw error;
    });
  }

  #hold(digest: string, { always = false }: UseOptions): Held {
    if (!always && this.#others().every(([, { users }]) => users > 0) && this.#others().length >= this.#parts.most)
      throw new Problem(
        'queue-full',
        `at most ${this.#parts.most} adapters beside the active one are in use at a time`,
      );
    const { engine, load } = this.#parts;
    const held = { ready: load(digest).then((tensors) => engine.hold(digest, tensors)), users: 1 };
    this.#held.set(digest, held);
    held.ready.then(
      () => this.#release(held),
      () => this.#held.delete(digest),
    );
    return held;
  }

  #release(held: Held): void {
    held.users -= 1;
    this.#shrink();
  }

  #touch(digest: string): void {
    const held = this.#held.get(digest);
    if (held && this.#held.delete(digest)) this.#held.set(digest, held);
  }

  #others(): [string, Held][] {
    return [...this.#held].filter(([digest]) => digest !== this.#pinned && digest !== this.#kept);
  }

  #shrink(): void {
    const others = this.#others();
    const idle = others.filter(([, { users }]) => users === 0);
    for (const [digest] of idle.slice(0, Math.max(0, others.length - this.#parts.most))) {
      this.#held.delete(digest);
      this.#parts.engine.forget(digest);
    }
  }
}

function awaited({ ready }: Held, { deadline = Number.POSITIVE_INFINITY, signal }: UseOptions): Promise<void> {
  const leftMs = Math.min(deadline - performance.now(), LONGEST_TIMER_MS);
  return inTime(() => ready, leftMs, overdue, signal);
}
