/** A base model inside a child: its sessions, made at first need and kept, and the adapters that feed them. */
import { type Checkpoint, readUnchanged } from '../checkpoint/checkpoint.js';
import { readHead } from '../checkpoint/head.js';
import { type AdapterFeeds, type AdapterTensors, adapterFeeds, commonShape } from '../graph/adapter-feeds.js';
import { ADAPTER_OF_ROW, type AdapterShape } from '../graph/adapter-shape.js';
import { batch } from '../graph/batch.js';
import { forward } from '../graph/deberta.js';
import { type Precision, float32Linears, int8Linears } from '../graph/linears.js';
import { compile } from '../graph/onnx.js';
import { weightsOf } from '../graph/weights.js';
import { int8Limit } from '../runtime/int8.js';
import { type Session, openSession } from '../runtime/session.js';

export interface RowsOfAdapters {
  readonly rows: readonly Int32Array[];
  /** null: the base model. */
  readonly adapters: readonly (string | null)[];
  readonly adapterOfRow: Int32Array;
}

interface Held {
  readonly tensors: AdapterTensors;
  readonly shape: AdapterShape;
  readonly feeds: AdapterFeeds;
}

export class Model {
  readonly #checkpoint: Checkpoint;
  readonly #precision: Precision;
  readonly #sessions = new Map<string, Promise<Session>>();
  readonly #adapters = new Map<string, Held>();
  #base: Promise<AdapterTensors> | undefined;

  constructor(checkpoint: Checkpoint, precision: Precision) {
    this.#checkpoint = checkpoint;
    this.#precision = precision;
  }

  /** Makes sure that a graph of `shape` (null: none) has a session of `threads`; one that failed is tried anew. */
  session(shape: AdapterShape | null, threads: number): Promise<Session> {
    const key = JSON.stringify([shape, threads]);
    const made = this.#sessions.get(key);
    if (made) return made;
    const opening = this.#open(shape, threads);
    opening.catch(() => this.#sessions.delete(key));
    this.#sessions.set(key, opening);
    return opening;
  }

  async #open(shape: AdapterShape | null, threads: number): Promise<Session> {
    const weights = weightsOf(this.#checkpoint);
    const linears = this.#precision === 'int8' ? int8Linears(weights, await int8Limit()) : float32Linears(weights);
    const graph = compile(forward(this.#checkpoint, shape, { linears }));
    const { directory } = this.#checkpoint;
    return readUnchanged(this.#checkpoint, () => openSession(graph, { directory, threads }));
  }

  async hold(digest: string, tensors: AdapterTensors, threads: readonly number[]): Promise<void> {
    const shape = commonShape([tensors], false);
    this.#adapters.set(digest, { tensors, shape, feeds: adapterFeeds(this.#checkpoint.config, [tensors], shape) });
    for (const n of threads) await this.session(shape, n);
  }

  /** Opens the sessions that batches of these adapters need. Throws when one of them is not held. */
  async mix(adapters: readonly (string | null)[], threads: readonly number[]): Promise<void> {
    const shape = commonShape(await this.#tensorsOf(adapters), true);
    for (const n of threads) await this.session(shape, n);
  }

  forget(digest: string): void {
    this.#adapters.delete(digest);
  }

  /** Logits, [rows · labels]. */
  async judge(given: RowsOfAdapters, threads: number): Promise<Float32Array> {
    const { feeds, bindings } = batch(this.#checkpoint.config, given.rows);
    const adapter = await this.#adapterPart(given);
    const session = await this.session(adapter.shape, threads);
    const { logits } = await session.run({ ...feeds, ...adapter.feeds }, { ...bindings, N: given.adapters.length });
    if (!logits) throw new Error('the graph gave no logits');
    return logits;
  }

  async #adapterPart(given: RowsOfAdapters): Promise<{ shape: AdapterShape | null; feeds: AdapterFeeds }> {
    const [first = null] = given.adapters;
    if (given.adapters.length > 1) return this.#bank(given);
    return first === null ? { shape: null, feeds: {} } : this.#held(first);
  }

  async #bank({ adapters, adapterOfRow }: RowsOfAdapters): Promise<{ shape: AdapterShape; feeds: AdapterFeeds }> {
    const tensors = await this.#tensorsOf(adapters);
    const shape = commonShape(tensors, true);
    const feeds = adapterFeeds(this.#checkpoint.config, tensors, shape);
    return { shape, feeds: { ...feeds, [ADAPTER_OF_ROW]: { data: adapterOfRow, shape: [adapterOfRow.length] } } };
  }

  #tensorsOf(adapters: readonly (string | null)[]): Promise<AdapterTensors[]> {
    return Promise.all(
      adapters.map((digest) => (digest === null ? this.#baseAdapter() : Promise.resolve(this.#held(digest).tensors))),
    );
  }

  #held(digest: string): Held {
    const held = this.#adapters.get(digest);
    if (!held) throw new Error(`adapter ${digest} is not held`);
    return held;
  }

  /** The base model as a member of a bank: no branches, its own head. */
  #baseAdapter(): Promise<AdapterTensors> {
    this.#base ??= readHead(this.#checkpoint).then((head) => ({ modules: new Map(), head }));
    return this.#base;
  }
}
