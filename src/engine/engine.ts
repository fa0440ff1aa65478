/** The one door of src/engine: token ids in, logits out, in child processes. */
import os from 'node:os';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import type { Precision } from '../graph/linears.js';
import { InferencePool } from './pool.js';
import type { Work } from './queue.js';

export type { Work } from './queue.js';

export interface ClassifyOptions {
  /** Digest of the adapter to answer with, which the engine must hold; null (the default) for the base model. */
  readonly adapter?: string | null;
  /** In place of `adapter`: each row is judged by all of these in one batch; the answer has them row by row, in this order. */
  readonly adapters?: readonly (string | null)[];
  /** By row: who may judge it too, in the same batch. The answer has nothing of it and never waits for it. */
  readonly riders?: readonly (Rider | undefined)[];
  /** Aborted when the client has gone: what still waits is dropped. */
  readonly signal?: AbortSignal;
  /** What `reserve` gave for these rows: called as they take the room that it kept. */
  readonly reserved?: () => void;
  /** When the answer is worth nothing any more, in the clock of performance.now(). */
  readonly deadline?: number;
}

/** Another adapter that judges a row where that keeps nobody waiting; see `Engine.mix`. */
export interface Rider {
  readonly adapter: string;
  /** Told before the row is answered: the logits, or `dropped` for want of room and `failed`. Must not throw. */
  readonly done: (outcome: Float32Array | 'dropped' | 'failed') => void;
}

export interface ChildStatus {
  readonly pid: number | undefined;
  readonly state: 'starting' | 'idle' | 'busy';
}

export interface EngineStatus {
  /** At least one child can answer. */
  readonly ready: boolean;
  readonly children: readonly ChildStatus[];
  readonly queuedPairs: number;
  readonly queuedTokens: number;
  /** Of the children that run, together, as their latest batches show; where none runs, of those that did. */
  readonly tokensPerSecond: number;
  /** Since the start. */
  readonly totals: Readonly<EngineTotals>;
}

export interface EngineTotals {
  batches: number;
  rows: number;
  tokens: number;
  paddedTokens: number;
  /** Batches with rows of several adapters. */
  mixedBatches: number;
  /** Rows run again because their child died. */
  retries: number;
  /** Children that died and were replaced. */
  restarts: number;
}

export interface Engine {
  /**
   * Logits of each row, [labels] in the checkpoint's order, in the order of `rows`; null where they are not finite.
   * Rejects with Problem 'queue-full' at once, 'deadline' when that passed, 'unavailable' when a child died twice on a row
   * or the engine closes, RangeError for a row without tokens or with ids outside the vocabulary, or the signal's reason.
   */
  classify(rows: readonly Int32Array[], options?: ClassifyOptions): Promise<(Float32Array | null)[]>;
  /**
   * Keeps room for rows that are being prepared, by an estimate, until the function it gives is called (again: nothing);
   * classify calls it, where it is given it. Throws Problem 'queue-full' when they would not fit, or could not be done in time.
   */
  reserve(work: Work): () => void;
  /**
   * Gives the adapter to every child, now and whenever one is replaced; resolves when all that run can answer with it.
   * Rejects with Problem 'unavailable' when one of them cannot, or it is forgotten before: then none keeps it.
   */
  hold(digest: string, tensors: AdapterTensors): Promise<void>;
  /** The counterpart of hold: no new call may have the adapter; those that wait for it are still answered. */
  forget(digest: string): void;
  /**
   * Makes every child ready for batches that mix these adapters, which must be held (null: the base model), now and whenever
   * one is replaced: only then riders are taken along. Rejects with Problem 'unavailable' when a child cannot.
   */
  mix(adapters: readonly (string | null)[]): Promise<void>;
  /** The counterpart of mix. */
  unmix(adapters: readonly (string | null)[]): void;
  status(): EngineStatus;
  /** Resolves when every child has its sessions and has judged once. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Processes that judge; each holds the model's packed weights. */
  readonly children: number;
  /** Threads of each child's session. children × threads should not exceed the cores. */
  readonly threads: number;
  /** A lone small batch on an idle engine uses a session over all cores. */
  readonly wideSession: boolean;
  /** Of the frozen Linears. */
  readonly precision: Precision;
  readonly queuePairs: number;
  /** Padded tokens: those of the rows, and the most that batching adds to them. */
  readonly queueTokens: number;
  /** Work that would wait longer is refused: what is accepted has to be answered within the time that a stop may take. */
  readonly longestWaitMs: number;
  /** Padded tokens of a batch; less where the machine would need more than a second for them. */
  readonly batchTokens: number;
  readonly batchRows: number;
  /** How long an unfilled batch may be held back for company. */
  readonly batchAgeMs: number;
  /** A child that is silent for this long, or ten times what its batch should take, is replaced. */
  readonly stuckAfterMs: number;
  /** One that makes nothing ready for so long, of the adapters and mixes that it was told of, is replaced too. */
  readonly prepareLimitMs: number;
}

export const ENGINE_DEFAULTS: EngineOptions = {
  children: os.availableParallelism(),
  threads: 1,
  wideSession: true,
  precision: 'float32',
  queuePairs: 4096,
  queueTokens: 262_144,
  longestWaitMs: 15_000,
  batchTokens: 1024,
  batchRows: 64,
  batchAgeMs: 0,
  stuckAfterMs: 10_000,
  prepareLimitMs: 60_000,
};

/** Starts the children and waits until all can answer. Rejects with the reason when one cannot open the checkpoint. */
export async function openEngine(checkpoint: Checkpoint, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const pool = new InferencePool(checkpoint, { ...ENGINE_DEFAULTS, ...options });
  try {
    await pool.warmUp();
  } catch (error) {
    await pool.close();
    throw error;
  }
  return pool;
}
