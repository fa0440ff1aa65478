/** What the judge needs of others. */
import type { AdapterRef } from '../db/prediction-rows.js';
import type { Rider, Work } from '../engine/engine.js';
import type { Recorder } from './record.js';
import type { Judgement } from './judgement.js';
import type { CheckpointLabel } from '../labels.js';
import type { ResultCache } from './result-cache.js';
import type { Text } from '../text/text.js';

/** What is asked of the engine. Rejects with Problem 'queue-full', 'deadline' or 'unavailable'. */
export interface Classifier {
  /** Keeps room for rows that are not encoded yet, until the function it gives is called; throws Problem 'queue-full'. */
  reserve(work: Work): () => void;
  /** Logits of each row, [labels], in their order; null where they are not finite. */
  classify(rows: readonly Int32Array[], options: ClassifyWith): Promise<(Float32Array | null)[]>;
}

export interface ClassifyWith {
  /** Digest of the adapter; null for the base model. */
  readonly adapter: string | null;
  /** In place of `adapter`, for the comparison: several for each row. */
  readonly adapters?: readonly (string | null)[];
  /** In the clock of performance.now(). */
  readonly deadline: number;
  readonly signal?: AbortSignal;
  /** Called when the rows take the room that `reserve` kept for them. */
  readonly reserved?: () => void;
  /** By row: who judges it too, where that keeps nobody waiting. */
  readonly riders?: readonly (Rider | undefined)[];
}

/** Lets another adapter judge some of what clients ask; they never wait for it and never see it. */
export interface Shadow {
  /** Of the rows that `adapter` judges for a client; null: none. */
  take(adapter: AdapterRef | null, rows: number): Shadowed | null;
}

export interface Shadowed {
  readonly riders: readonly (Rider | undefined)[];
  /** What the client is told of these rows. Returns at once. */
  answered(judgements: readonly Judgement[]): void;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of performance.now(). */
  monotonic(): number;
}

export interface JudgeParts {
  readonly model: { readonly name: string; readonly digest: string };
  readonly text: Pick<Text, 'encode'>;
  readonly cache: ResultCache;
  readonly engine: Classifier;
  /** What each logit stands for. */
  readonly labels: readonly CheckpointLabel[];
  readonly record: Recorder;
  /** The adapter of that name; null for the base model, undefined when there is none. */
  readonly adapters: { resolve(name: string): Promise<AdapterRef | null | undefined> };
  readonly clock: Clock;
  readonly newId: () => string;
  /** How long a request may take before it is answered 503. */
  readonly deadlineMs: number;
  readonly maxPairs?: number;
  /** The longest encoded pair: what is over it is cut. */
  readonly maxTokens: number;
  readonly shadow?: Shadow;
}
