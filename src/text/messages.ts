/** All that crosses between the HTTP thread and a tokenizer worker. */
import type { Limits } from './pair.js';
import type { PairTrouble } from './types.js';

export interface SharedFile {
  /** For error messages only. */
  readonly path: string;
  readonly bytes: SharedArrayBuffer;
}

/** What a worker is started with: tokenizer.json and, where there is one, tokenizer_config.json. */
export interface WorkerStart {
  readonly tokenizer: SharedFile;
  readonly config: SharedFile | null;
  readonly limits: Limits;
}

/** To the worker: premise, hypothesis, premise, hypothesis, … */
export interface EncodeBatch {
  readonly type: 'encode';
  readonly texts: readonly string[];
}

/** From the worker, for pairs in the order of the batch. The ids of pair i lie in ids[ends[i-1] … ends[i]]; the buffer is transferred. */
export interface EncodedBatch {
  readonly type: 'encoded';
  readonly ids: Int32Array;
  readonly ends: readonly number[];
  /** Indexes of the pairs whose premise was cut. */
  readonly truncated: readonly number[];
  /** Indexes of the pairs that have no ids, and why. */
  readonly troubles: readonly (readonly [number, PairTrouble])[];
}

/** From the worker, once: it can encode, or why it cannot. */
export type Started = { readonly type: 'ready' } | { readonly type: 'refused'; readonly reason: string };

export type FromWorker = Started | EncodedBatch;
