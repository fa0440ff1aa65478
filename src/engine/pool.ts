/** Children, queue and the rows on their way between them. */
import os from 'node:os';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { overdue, Problem } from '../errors.js';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import type { ClassifyOptions, Engine, EngineOptions, EngineStatus, EngineTotals } from './engine.js';
import type { BatchMessage } from './messages.js';
import { HeldAdapters } from './held-adapters.js';
import type { InferenceChild } from './inference-child.js';
import { type Pace, Queue, paddedTokens, tokensOf, type Work } from './queue.js';
import { type Entry, Request } from './request.js';
import { mixOf, ridersFor, type Seat, seatsOf, tellRider } from './seats.js';
import { Slot } from './slot.js';

const MAX_BATCH_SECONDS = 1;
const MAX_ATTEMPTS = 2;
const SLOWER_THAN_PREDICTED = 10;
/** After so many failed starts in a row, what waits is told rather than kept. */
const HOPELESS_STARTS = 3;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A batch of at most this many tokens may have all cores to itself. */
const WIDE_TOKENS = 512;
/** For this long, or so many times what one core should take; then the others are given work again. */
const WIDE_PATIENCE_MS = 300;
const WIDE_SLOWER_THAN_PREDICTED = 3;

export class InferencePool implements Engine {
  readonly #labels: number;
  readonly #vocabulary: number;
  readonly #options: EngineOptions;
  readonly #slots: readonly Slot[];
  readonly #queue: Queue;
  readonly #totals: EngineTotals = {
    batches: 0,
    rows: 0,
    tokens: 0,
    paddedTokens: 0,
    mixedBatches: 0,
    retries: 0,
    restarts: 0,
  };
  readonly #adapters = new HeldAdapters((digest) => this.#slots.forEach(({ child }) => child.forget(digest)));
  #holding: Promise<void> = Promise.resolve();
  readonly #mixes = new Map<string, readonly (string | null)[]>();
  /** Adapters that every child has had the time to load. */
  readonly #loaded = new Set<string>();
  #batches = 0;
  /** Tokens that the children have. */
  #running = 0;
  #retries = 0;
  #wideRuns = false;
  #closed = false;
  #lastDeath: string | undefined;
  #ageTimer: NodeJS.Timeout | undefined;

  constructor(checkpoint: Checkpoint, options: EngineOptions) {
    this.#labels = checkpoint.config.id2label.length;
    this.#vocabulary = checkpoint.config.vocabSize;
    this.#options = options;
    this.#queue = new Queue(options);
    const events = { onIdle: () => this.#dispatch(), onDeath: (reason: string) => this.#onDeath(reason) };
    const wide = options.wideSession && options.children > 1 ? os.availableParallelism() : 0;
    this.#slots = Array.from(
      { length: options.children },
      (_, i) =>
        new Slot(
          { checkpoint, precision: options.precision, threads: options.threads, wideThreads: i === 0 ? wide : 0 },
          this.#adapters.tensors,
          this.#mixes,
          events,
        ),
    );
  }

  async classify(rows: readonly Int32Array[], options: ClassifyOptions = {}): Promise<(Float32Array | null)[]> {
    if (rows.length === 0) return [];
    for (const row of rows) this.#check(row);
    options.signal?.throwIfAborted();
    if (this.#closed || this.#hopeless()) throw this.#nobody();
    const { adapter = null, adapters = [adapter], riders = [], mix, deadline } = options;
    if (!adapters.every((one) => one === null || this.#isHeld(one))) throw unavailable('the adapter is not loaded');
    const request = new Request(rows, { adapters, riders, mix, deadline }, performance.now());
    this.#queue.push(request, this.#pace());
    this.#dispatch();
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

  async hold(digest: string, tensors: AdapterTensors): Promise<void> {
    this.#adapters.hold(digest, tensors);
    const held = this.#holding.then(() => this.#holdEach(digest, tensors));
    this.#holding = held.catch(() => undefined);
    await held.catch((error: Error) => {
      this.forget(digest);
      throw unavailable('the adapter could not be loaded', error);
    });
    this.#loaded.add(digest);
  }

  /**
   * One child after the other, and no batch to the one whose turn it is: opening a session may take it a second. A child
   * that still starts is told too but not waited for: it takes no batch before it has done what it was told.
   */
  async #holdEach(digest: string, tensors: AdapterTensors): Promise<void> {
    for (const { child } of this.#slots.filter(({ state }) => state === 'starting'))
      child.hold(digest, tensors).catch(() => undefined); // it tells its end by ending
    await this.#eachReserved(({ child }) => child.hold(digest, tensors));
  }

  async #eachReserved(prepare: (slot: Slot) => Promise<void>): Promise<void> {
    for (const slot of this.#slots.filter(({ state }) => state !== 'starting')) {
      slot.reserved = this.#slots.length > 1;
      try {
        await whileAlive(slot.child, () => prepare(slot));
      } finally {
        slot.reserved = false;
        this.#dispatch();
      }
    }
  }

  forget(digest: string): void {
    this.#loaded.delete(digest);
    this.#adapters.forget(digest);
  }

  async mix(adapters: readonly (string | null)[]): Promise<void> {
    const name = mixOf(adapters);
    this.#mixes.set(name, adapters);
    const mixed = this.#holding.then(() => this.#eachReserved((slot) => slot.mix(name, adapters)));
    this.#holding = mixed.catch(() => undefined);
    await mixed.catch((error: Error) => {
      this.unmix(adapters);
      throw unavailable('the adapters could not be mixed', error);
    });
  }

  unmix(adapters: readonly (string | null)[]): void {
    const name = mixOf(adapters);
    this.#mixes.delete(name);
    for (const { mixes } of this.#slots) mixes.delete(name);
  }

  #isHeld(digest: string): boolean {
    return this.#loaded.has(digest) && this.#adapters.has(digest);
  }

  status(): EngineStatus {
    return {
      ready: this.#slots.some(({ state }) => state !== 'starting'),
      children: this.#slots.map(({ child, state }) => ({ pid: child.pid, state })),
      queuedPairs: this.#queue.length,
      queuedTokens: this.#queue.tokens,
      tokensPerSecond: this.#tokensPerSecond(),
      totals: { ...this.#totals },
    };
  }

  async warmUp(): Promise<void> {
    await Promise.all(this.#slots.map(({ child }) => child.ready));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#ageTimer);
    this.#queue.fail(unavailable('the service is shutting down'));
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  /** The answer, unless the client goes or the deadline passes before it. */
  async #whileWanted(request: Request, { signal }: ClassifyOptions): Promise<(Float32Array | null)[]> {
    const abandon = (): void => this.#fail(request, signal?.reason as Error);
    const left = Math.min(request.deadline - performance.now(), LONGEST_TIMER_MS);
    const timer = setTimeout(() => this.#fail(request, overdue()), left);
    signal?.addEventListener('abort', abandon, { once: true });
    const used = adaptersOf(request);
    for (const adapter of used) this.#adapters.use(adapter);
    try {
      return await request.answer;
    } finally {
      clearTimeout(timer);
      for (const adapter of used) this.#adapters.release(adapter);
      signal?.removeEventListener('abort', abandon);
    }
  }

  #tokensPerSecond(): number {
    return this.#slots.reduce((sum, { rate }) => sum + rate.tokensPerSecond, 0);
  }

  #pace(): Pace {
    return { tokensPerSecond: this.#tokensPerSecond(), running: this.#running, now: performance.now() };
  }

  /** Gives every idle child a share of what waits. */
  #dispatch(): void {
    clearTimeout(this.#ageTimer);
    for (;;) {
      const idle = this.#slots.filter(({ state, reserved }) => state === 'idle' && !reserved);
      if (idle.length === 0 || this.#queue.length === 0 || this.#wideRuns || this.#closed) return;
      const entries = this.#queue.take(this.#limits(idle), performance.now());
      if (entries.length === 0) return this.#dispatchWhenOld();
      const wide = this.#wideSlot(entries, idle);
      void this.#run(wide, idle[0]!, this.#seated(entries, wide ?? idle[0]!, idle));
    }
  }

  /** Riders come along where nobody waits for it: what is left has room in other children, and the batch in its bounds. */
  #seated(entries: readonly Entry[], { mixes }: Slot, idle: readonly Slot[]): Seat[] {
    const seats = seatsOf(entries);
    const tokens = this.#queue.tokens > (idle.length - 1) * this.#mostTokens(idle) ? 0 : this.#mostTokens(idle);
    const ready = entries.filter(
      ({ adapters, rider }) => rider && this.#isHeld(rider.adapter) && mixes.has(mixOf([...adapters, rider.adapter])),
    );
    const riders = ridersFor(ready, seats, { tokens, rows: this.#options.batchRows });
    const taken = new Set(riders.map(({ entry }) => entry));
    for (const entry of entries) if (!taken.has(entry)) tellRider(entry, 'dropped');
    return [...seats, ...riders];
  }

  #dispatchWhenOld(): void {
    const age = performance.now() - (this.#queue.oldestSince ?? 0);
    this.#ageTimer = setTimeout(() => this.#dispatch(), Math.max(1, this.#options.batchAgeMs - age));
  }

  /** What waits is shared among the idle children, within what one of them does in a second. */
  #limits(idle: readonly Slot[]): { tokens: number; rows: number; ageMs: number } {
    const { batchRows, batchAgeMs } = this.#options;
    const share = Math.ceil(this.#queue.tokens / idle.length);
    return { tokens: Math.min(share, this.#mostTokens(idle)), rows: batchRows, ageMs: batchAgeMs };
  }

  /** Of any batch. */
  #mostTokens(idle: readonly Slot[]): number {
    const affordable = Math.min(...idle.map((slot) => slot.rate.tokensPerSecond)) * MAX_BATCH_SECONDS;
    return Math.min(this.#options.batchTokens, affordable);
  }

  /** The child whose session spans all cores, when nothing else runs or waits and the batch is small. */
  #wideSlot(entries: readonly Entry[], idle: readonly Slot[]): Slot | undefined {
    const alone = idle.length === this.#slots.length && this.#queue.length === 0;
    return alone && paddedTokens(entries) <= WIDE_TOKENS ? idle.find(({ wide }) => wide) : undefined;
  }

  async #run(wide: Slot | undefined, other: Slot, seats: readonly Seat[]): Promise<void> {
    const slot = wide ?? other;
    const predictedMs = (1000 * paddedTokens(seats)) / slot.rate.tokensPerSecond;
    const shareCores = wide && this.#reserveCores(predictedMs);
    slot.state = 'busy';
    this.#running += tokensOf(seats);
    const started = performance.now();
    try {
      const batch = { ...packed(seats), id: ++this.#batches, wide: wide !== undefined };
      const limitMs = Math.max(this.#options.stuckAfterMs, SLOWER_THAN_PREDICTED * predictedMs);
      const logits = await slot.child.run(batch, limitMs);
      if (wide === undefined) slot.rate.add(tokensOf(seats), performance.now() - started);
      this.#settle(seats, logits);
    } catch (error) {
      this.#retry(seats, error as Error);
    }
    this.#running -= tokensOf(seats);
    shareCores?.();
    if (slot.state === 'busy') slot.state = 'idle';
    this.#dispatch();
  }

  /** The wide session has all cores to itself, unless it takes so long that its child may be stuck. */
  #reserveCores(predictedMs: number): () => void {
    this.#wideRuns = true;
    const share = (): void => {
      clearTimeout(timer);
      this.#wideRuns = false;
      this.#dispatch();
    };
    const timer = setTimeout(share, Math.max(WIDE_PATIENCE_MS, WIDE_SLOWER_THAN_PREDICTED * predictedMs));
    return share;
  }

  #settle(seats: readonly Seat[], logits: Float32Array): void {
    this.#totals.batches += 1;
    this.#totals.rows += seats.length;
    this.#totals.tokens += tokensOf(seats);
    this.#totals.paddedTokens += paddedTokens(seats);
    if (seats.some(({ adapter }) => adapter !== seats[0]?.adapter)) this.#totals.mixedBatches += 1;
    seats.forEach(({ entry, place }, row) => {
      const own = logits.slice(row * this.#labels, (row + 1) * this.#labels);
      const finite = own.length === this.#labels && own.every(Number.isFinite);
      if (place === null) tellRider(entry, finite ? own : 'failed');
      else entry.request.fill(place, finite ? own : null);
    });
  }

  /**
   * Each row is tried once more, alone: one of them may be what no child survives. After that its request is told. Where
   * there were riders it may have been theirs, so the first try does not count.
   */
  #retry(seats: readonly Seat[], cause: Error): void {
    const entries = [...new Set(seats.map(({ entry }) => entry))];
    const ridden = seats.some(({ place }) => place === null);
    for (const entry of entries) {
      entry.attempts += ridden ? 0 : 1;
      entry.key = `retry ${++this.#retries}`;
      tellRider(entry, 'failed');
    }
    const problem = unavailable('the pair could not be judged', cause);
    for (const { request, attempts } of entries)
      if (attempts >= MAX_ATTEMPTS || this.#closed) this.#fail(request, problem);
    const again = entries.filter(({ request }) => !request.settled);
    this.#totals.retries += again.length;
    this.#queue.restore(again);
  }

  #fail(request: Request, reason: Error): void {
    if (request.settled) return;
    request.fail(reason);
    this.#queue.drop(request);
  }

  #onDeath(reason: string): void {
    this.#totals.restarts += 1;
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

/** Rejects when the child cannot; when it dies, the next one in its place is started with what is held. */
async function whileAlive(child: InferenceChild, prepare: () => Promise<void>): Promise<void> {
  await prepare().catch((error: unknown) => {
    if (child.connected) throw error;
  });
}

const unavailable = (detail: string, cause?: Error): Problem =>
  new Problem('unavailable', detail, { retryAfter: 1, cause });

const adaptersOf = ({ entries }: Request): Set<string> =>
  new Set(
    entries
      .flatMap(({ adapters, rider }) => [...adapters, rider?.adapter ?? null])
      .filter((adapter) => adapter !== null),
  );

function packed(seats: readonly Seat[]): Omit<BatchMessage, 'kind' | 'id' | 'wide'> {
  const adapters = [...new Set(seats.map(({ adapter }) => adapter))];
  const ids = new Int32Array(tokensOf(seats));
  seats.reduce((offset, { entry, length }) => (ids.set(entry.ids, offset), offset + length), 0);
  const lengths = Int32Array.from(seats, ({ length }) => length);
  return { ids, lengths, adapters, adapterOfRow: Int32Array.from(seats, ({ adapter }) => adapters.indexOf(adapter)) };
}
