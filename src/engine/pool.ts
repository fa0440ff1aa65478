/** The engine over its parts: requests in, answers out, and what becomes of both when children die or the engine closes. */
import os from 'node:os';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Problem } from '../errors.js';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import { Dispatch } from './dispatch.js';
import type { ClassifyOptions, Engine, EngineOptions, EngineStatus } from './engine.js';
import { Preparing } from './preparing.js';
import { type Pace, Queue, type Work } from './queue.js';
import { Request } from './request.js';
import { unavailable } from './settling.js';
import { type Given, Slot, type SlotEvents } from './slot.js';

/** After so many failed starts in a row, what waits is told rather than kept. */
const HOPELESS_STARTS = 3;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class InferencePool implements Engine {
  readonly #vocabulary: number;
  readonly #queue: Queue;
  readonly #preparing: Preparing;
  readonly #dispatch: Dispatch;
  #closed = false;
  #lastDeath: string | undefined;

  constructor(checkpoint: Checkpoint, options: EngineOptions) {
    this.#vocabulary = checkpoint.config.vocabSize;
    this.#queue = new Queue(options);
    const events = { onIdle: () => this.#dispatch.next(), onDeath: (reason: string) => this.#onDeath(reason) };
    this.#preparing = new Preparing((given) => startSlots(checkpoint, options, given, events), events.onIdle);
    this.#dispatch = new Dispatch({
      queue: this.#queue,
      options,
      slots: () => this.#slots,
      labels: checkpoint.config.id2label.length,
      isLoaded: (adapter) => this.#preparing.isLoaded(adapter),
    });
  }

  get #slots(): readonly Slot[] {
    return this.#preparing.slots;
  }

  async classify(rows: readonly Int32Array[], options: ClassifyOptions = {}): Promise<(Float32Array | null)[]> {
    if (rows.length === 0) return [];
    for (const row of rows) this.#check(row);
    options.signal?.throwIfAborted();
    if (this.#closed || this.#hopeless()) throw this.#nobody();
    const { adapter = null, adapters = [adapter], riders = [], deadline } = options;
    if (!adapters.every((one) => one === null || this.#preparing.isLoaded(one)))
      throw unavailable('the adapter is not loaded');
    const request = new Request(rows, { adapters, riders, deadline }, performance.now());
    options.reserved?.();
    this.#queue.push(request, this.#pace());
    this.#dispatch.next();
    return this.#whileWanted(request, options);
  }

  reserve(work: Work): () => void {
    if (this.#closed || this.#hopeless()) throw this.#nobody();
    return this.#queue.reserve(work, this.#pace());
  }

  /** One bad row would fail the batch of its mates. */
  #check(row: Int32Array): void {
    if (row.length === 0) throw new RangeError('a row has no tokens');
    const unknown = row.find((id) => id < 0 || id >= this.#vocabulary);
    if (unknown !== undefined)
      throw new RangeError(`token id ${unknown} is not one of the model's ${this.#vocabulary}`);
  }

  hold(digest: string, tensors: AdapterTensors): Promise<void> {
    return this.#preparing.hold(digest, tensors);
  }

  forget(digest: string): void {
    this.#preparing.forget(digest);
  }

  mix(adapters: readonly (string | null)[]): Promise<void> {
    return this.#preparing.mix(adapters);
  }

  unmix(adapters: readonly (string | null)[]): void {
    this.#preparing.unmix(adapters);
  }

  status(): EngineStatus {
    return {
      ready: this.#slots.some(({ state }) => state !== 'starting'),
      children: this.#slots.map(({ child, state }) => ({ pid: child.pid, state })),
      queuedPairs: this.#queue.length,
      queuedTokens: this.#queue.tokens,
      tokensPerSecond: this.#tokensPerSecond(),
      totals: { ...this.#dispatch.totals },
    };
  }

  async warmUp(): Promise<void> {
    await Promise.all(this.#slots.map(({ child }) => child.ready));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#dispatch.close();
    this.#queue.fail(unavailable('the service is shutting down'));
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  /** The answer, unless the client goes or the deadline passes before it. */
  async #whileWanted(request: Request, { signal }: ClassifyOptions): Promise<(Float32Array | null)[]> {
    const abandon = (): void => this.#dispatch.fail(request, signal?.reason as Error);
    const left = Math.min(request.deadline - performance.now(), LONGEST_TIMER_MS);
    const timer = setTimeout(() => this.#dispatch.failLate(request), left);
    signal?.addEventListener('abort', abandon, { once: true });
    const used = adaptersOf(request);
    for (const adapter of used) this.#preparing.uses.use(adapter);
    try {
      return await request.answer;
    } finally {
      clearTimeout(timer);
      for (const adapter of used) this.#preparing.uses.release(adapter);
      signal?.removeEventListener('abort', abandon);
    }
  }

  /** Where none runs, what they did when they did: they will in a moment, or the engine is hopeless. */
  #tokensPerSecond(): number {
    const running = this.#slots.filter(({ state }) => state !== 'starting');
    const counted = running.length > 0 ? running : this.#slots;
    return counted.reduce((sum, { rate }) => sum + rate.tokensPerSecond, 0);
  }

  #pace(): Pace {
    return { tokensPerSecond: this.#tokensPerSecond(), running: this.#dispatch.running, now: performance.now() };
  }

  #onDeath(reason: string): void {
    this.#dispatch.totals.restarts += 1;
    this.#lastDeath = reason;
    if (this.#hopeless()) this.#queue.fail(this.#nobody());
  }

  #nobody(): Problem {
    return unavailable('no inference child can answer', this.#lastDeath ? new Error(this.#lastDeath) : undefined);
  }

  #hopeless(): boolean {
    return this.#slots.every(({ state, failures }) => state === 'starting' && failures >= HOPELESS_STARTS);
  }
}

function startSlots(
  checkpoint: Checkpoint,
  { children, threads, precision, wideSession, prepareLimitMs }: EngineOptions,
  given: Given,
  events: SlotEvents,
): Slot[] {
  const wide = wideSession && children > 1 ? os.availableParallelism() : 0;
  return Array.from({ length: children }, (_, i) => {
    const open = { checkpoint, precision, threads, wideThreads: i === 0 ? wide : 0 };
    return new Slot({ open, prepareLimitMs }, given, events);
  });
}

const adaptersOf = ({ entries }: Request): Set<string> =>
  new Set(
    entries
      .flatMap(({ adapters, rider }) => [...adapters, rider?.adapter ?? null])
      .filter((adapter) => adapter !== null),
  );
