/** The tokenizer workers: requests in order of arrival to whichever is free, and a new worker for each that is lost. */
import type { Worker } from 'node:worker_threads';
import { Problem } from '../errors.js';
import { countCharacters, createRequest, keepForRetry, takeBatch, type TextRequest } from './request.js';
import { Slot } from './slot.js';
import type { Encoded, PairTexts, Text } from './types.js';

export interface PoolOptions {
  readonly workers: number;
  /** How long a worker may take over one batch before it is replaced. */
  readonly patienceMs: number;
  readonly start: () => Worker;
}

/** Pairs of a large request that go at once; between these its turn comes after that of others. */
const SLICE_PAIRS = 64;
/** Some seconds of work, and a bound on the memory that waiting texts take. */
const WAITING_CHARACTERS = 10_000_000;

const closing = (): Problem => new Problem('unavailable', 'the tokenizer is closing');

interface Settleable<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function settleable<T>(): Settleable<T> {
  let settle!: Omit<Settleable<T>, 'promise'>;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

interface Opening {
  resolve(): void;
  reject(error: Error): void;
}

export class Pool implements Text {
  readonly #options: PoolOptions;
  readonly #slots = new Set<Slot>();
  #waiting: TextRequest[] = [];
  #characters = 0;
  #closed = false;
  #opening: Opening | null = null;
  /** Requests that come in one turn of the event loop go as one message: to wake a worker costs more than a pair. */
  #soon = false;

  private constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Resolves when every worker has loaded; rejects with the reason of the first that cannot. */
  static async open(options: PoolOptions): Promise<Pool> {
    const pool = new Pool(options);
    try {
      await pool.#load();
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  async encode(pairs: readonly PairTexts[], signal?: AbortSignal): Promise<Encoded[]> {
    const encodings: Encoded[] = [];
    for (let i = 0; i < pairs.length; i += SLICE_PAIRS) {
      signal?.throwIfAborted();
      encodings.push(...(await this.#encodeSlice(pairs.slice(i, i + SLICE_PAIRS), signal)));
    }
    return encodings;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#rejectWaiting(closing());
    await Promise.all([...this.#slots].map((slot) => slot.close()));
  }

  async #encodeSlice(pairs: readonly PairTexts[], signal: AbortSignal | undefined): Promise<Encoded[]> {
    if (this.#closed) throw closing();
    const { promise, resolve, reject } = settleable<Encoded[]>();
    const request = createRequest(pairs, resolve, reject);
    const leave = (): void => this.#drop(request, signal?.reason as Error);
    signal?.addEventListener('abort', leave, { once: true });
    this.#accept(request);
    return promise.finally(() => signal?.removeEventListener('abort', leave));
  }

  /** One that a worker has already is answered to nobody. */
  #drop(request: TextRequest, reason: Error): void {
    request.reject(reason);
    const at = this.#waiting.indexOf(request);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    this.#characters -= request.characters;
  }

  async #load(): Promise<void> {
    const loaded = new Promise<void>((resolve, reject) => {
      this.#opening = { resolve, reject };
    });
    this.#fill();
    await loaded;
    this.#opening = null;
  }

  /** A place left empty by a worker that could not load is tried again with the next request, not in a loop. */
  #accept(request: TextRequest): void {
    if (this.#characters > 0 && this.#characters + request.characters > WAITING_CHARACTERS) {
      request.reject(new Problem('queue-full', 'too many texts wait for the tokenizer', { retryAfter: 1 }));
      return;
    }
    this.#waiting.push(request);
    this.#characters += request.characters;
    this.#fill();
    this.#dispatchSoon();
  }

  #fill(): void {
    try {
      while (!this.#closed && this.#slots.size < this.#options.workers) this.#slots.add(this.#startSlot());
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #startSlot(): Slot {
    const slot: Slot = new Slot(this.#options.start(), this.#options.patienceMs, {
      idle: () => this.#dispatch(),
      lost: (batch, reason) => this.#replace(slot, batch, reason),
    });
    return slot;
  }

  /** A worker could not be started or was lost: with none left nobody would answer what waits. */
  #fail(reason: Error): void {
    this.#opening?.reject(reason);
    if (this.#closed) this.#rejectWaiting(closing());
    if (this.#slots.size === 0)
      this.#rejectWaiting(new Problem('unavailable', 'no tokenizer worker', { cause: reason }));
  }

  #dispatchSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => this.#dispatch());
  }

  #dispatch(): void {
    this.#soon = false;
    if ([...this.#slots].every((slot) => slot.loaded)) this.#opening?.resolve();
    for (const slot of this.#slots) {
      if (!slot.idle || this.#waiting.length === 0) continue;
      const batch = takeBatch(this.#waiting);
      this.#characters -= countCharacters(batch);
      slot.send(batch);
    }
  }

  #replace(slot: Slot, batch: readonly TextRequest[], reason: Error): void {
    this.#slots.delete(slot);
    const retried = keepForRetry(batch, reason);
    this.#waiting.unshift(...retried);
    this.#characters += countCharacters(retried);
    if (slot.loaded) this.#fill();
    this.#fail(reason);
    this.#dispatch();
  }

  #rejectWaiting(problem: Problem): void {
    for (const request of this.#waiting) request.reject(problem);
    this.#waiting = [];
    this.#characters = 0;
  }
}
