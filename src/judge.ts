/** The use case behind POST /nli: pairs → text → engine → labels → record → answers. */
import type { AdapterRef } from './db/prediction-rows.js';
import type { NewPrediction } from './db/record.js';
import { overdue, Problem } from './errors.js';
import type { Rider } from './engine/engine.js';
import { failpoint } from './failpoints.js';
import { inTime } from './in-time.js';
import type { CheckpointLabel, Label } from './labels.js';
import { LABELS } from './labels.js';
import { LIMITS } from './limits.js';
import type { Encoded, Encoding, Text } from './text/text.js';
import { TokenEstimate } from './token-estimate.js';

export type { AdapterRef, NewPrediction };

export interface JudgePair {
  readonly pair_id: string;
  readonly premise: string;
  readonly nli_hypothesis: string;
  readonly page_id: string | null;
}

export interface Judgement {
  readonly pair_id: string;
  readonly prediction_id: string | null;
  readonly label: Label;
  readonly confidence: number;
  readonly raw_label: string | null;
  readonly scores: Record<Label, number> | null;
  readonly truncated: boolean;
  readonly error: string | null;
}

export interface JudgeAnswer {
  readonly model: string;
  readonly adapter: AdapterRef | null;
  readonly results: Judgement[];
}

export interface JudgeRequest {
  readonly pairs: readonly JudgePair[];
  /** `active`, `base`, a version or an id. */
  readonly adapter: string;
  /** The API key that asks; null while the service is open. */
  readonly key_id?: string | null;
  readonly signal?: AbortSignal;
  /** In the clock of `monotonic`; by default what JudgeParts says, from now. */
  readonly deadline?: number;
}

export interface Admission {
  /** Throws Problem 'queue-full' when a request with a body of so many bytes could not be done in time as things stand. */
  refuseHopeless(bytes: number, deadline: number): void;
}

export interface Judge {
  /**
   * Judges every pair by the one adapter that `request.adapter` names now; results in the order of the pairs.
   * A pair's own trouble is its result's `error`. Rejects with a Problem for what concerns the whole request.
   */
  judge(request: JudgeRequest): Promise<JudgeAnswer>;
}

/** `best-effort`: a failed record leaves prediction_id null; `required`: it fails the request; `off`: none is kept. */
export type RecordMode = 'best-effort' | 'required' | 'off';

export interface Recorder {
  readonly mode: RecordMode;
  /** Resolves when the rows are on disk. */
  write(rows: readonly NewPrediction[]): Promise<void>;
  /** Told of each failed write, with the number of judgements it lost. */
  failed(error: unknown, rows: number): void;
}

/** What is asked of the engine. Rejects with Problem 'queue-full', 'deadline' or 'unavailable'. */
export interface Classifier {
  /** Keeps room for rows that are not encoded yet, until the function it gives is called; throws Problem 'queue-full'. */
  reserve(work: Work): () => void;
  /** Logits of each row, [labels], in their order; null where they are not finite. */
  classify(rows: readonly Int32Array[], options: ClassifyWith): Promise<(Float32Array | null)[]>;
}

export interface Work {
  readonly pairs: number;
  readonly tokens: number;
  readonly deadline: number;
}

export interface ClassifyWith {
  /** Digest of the adapter; null for the base model. */
  readonly adapter: string | null;
  /** In place of `adapter`, for the comparison: several for each row. */
  readonly adapters?: readonly (string | null)[];
  /** In the clock of performance.now(). */
  readonly deadline: number;
  readonly signal?: AbortSignal;
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

/** A body is read, and then weighed exactly, rather than refused for more tokens than this by its size alone. */
const GUESSED_TOKENS = 4096;

export function createJudge(parts: JudgeParts): Judge & Admission {
  const estimate = new TokenEstimate();
  return {
    judge: (request) => judge(parts, estimate, request),
    refuseHopeless(bytes, deadline) {
      const tokens = Math.min(estimate.of(bytes), GUESSED_TOKENS);
      parts.engine.reserve({ pairs: 1, tokens, deadline })();
    },
  };
}

/** When a request came, and when its answer is worth nothing any more; in the clock of `monotonic`. */
interface Time {
  readonly start: number;
  readonly deadline: number;
}

async function judge(parts: JudgeParts, estimate: TokenEstimate, request: JudgeRequest): Promise<JudgeAnswer> {
  const start = parts.clock.monotonic();
  const time: Time = { start, deadline: request.deadline ?? start + parts.deadlineMs };
  refuseTooMany(request.pairs.length, parts.maxPairs ?? LIMITS.pairs_per_request);
  const { adapter, encoded } = await prepare(parts, estimate, request, time);
  const answer = { model: parts.model.name, adapter };
  const encodings = encoded.filter((one): one is Encoding => 'ids' in one);
  const shadowed = request.adapter === 'active' ? parts.shadow?.take(adapter, encodings.length) : null;
  const options = { ...(request.signal && { signal: request.signal }), ...(shadowed && { riders: shadowed.riders }) };
  const logits = await classify(parts, encodings, adapter, time, options);
  let row = 0;
  const results = encoded.map((one, index): Judgement => {
    const { pair_id } = request.pairs[index] as JudgePair;
    if (!('ids' in one)) return troubled(pair_id, one.detail, false);
    return judgement(parts.labels, pair_id, logits[row++] ?? null, one.truncated);
  });
  const told = await recorded(parts, request, results, adapter, time);
  shadowed?.answered(told.filter((_, index) => 'ids' in (encoded[index] as Encoded)));
  return { ...answer, results: told };
}

/** What the deadline leaves, in milliseconds. */
const left = ({ clock }: JudgeParts, { deadline }: Time): number => deadline - clock.monotonic();

interface Prepared {
  readonly adapter: AdapterRef | null;
  readonly encoded: readonly Encoded[];
}

/** Room in the engine is kept meanwhile, so that no more is encoded than can be judged. */
async function prepare(
  parts: JudgeParts,
  estimate: TokenEstimate,
  request: JudgeRequest,
  time: Time,
): Promise<Prepared> {
  const { pairs } = request;
  if (pairs.length === 0) return { adapter: await resolveAdapter(parts, request.adapter), encoded: [] };
  const tokens = pairs.reduce((sum, pair) => sum + Math.min(parts.maxTokens, estimate.of(charactersOf(pair))), 0);
  const release = parts.engine.reserve({ pairs: pairs.length, tokens, deadline: time.deadline });
  try {
    const adapter = await resolveAdapter(parts, request.adapter);
    const encoded = await encode(parts, request, time);
    learn(estimate, pairs, encoded);
    return { adapter, encoded };
  } finally {
    release();
  }
}

const charactersOf = ({ premise, nli_hypothesis }: JudgePair): number => premise.length + nli_hypothesis.length;

/** Of the pairs that are encoded whole. */
function learn(estimate: TokenEstimate, pairs: readonly JudgePair[], encoded: readonly Encoded[]): void {
  let [characters, tokens] = [0, 0];
  for (const [at, one] of encoded.entries()) {
    if (!('ids' in one) || one.truncated) continue;
    characters += charactersOf(pairs[at] as JudgePair);
    tokens += one.ids.length;
  }
  estimate.learn(characters, tokens);
}

async function encode(parts: JudgeParts, { pairs, signal }: JudgeRequest, time: Time): Promise<Encoded[]> {
  const leftMs = left(parts, time);
  if (leftMs <= 0) throw overdue();
  const texts = pairs.map(({ premise, nli_hypothesis }) => ({ premise, hypothesis: nli_hypothesis }));
  return inTime((ended) => parts.text.encode(texts, ended), leftMs, overdue, signal);
}

function refuseTooMany(count: number, limit: number): void {
  if (count <= limit) return;
  const detail = `has ${count} pairs, at most ${limit} are taken in one request`;
  throw new Problem('too-large', `/pairs ${detail}`, { errors: [{ pointer: '/pairs', detail }] });
}

async function resolveAdapter(parts: JudgeParts, name: string): Promise<AdapterRef | null> {
  if (name === 'base') return null;
  const adapter = await parts.adapters.resolve(name);
  if (adapter !== undefined) return adapter;
  const detail = 'names no adapter of this service: give "active", "base", a version or an id';
  throw new Problem('unprocessable', `/adapter ${detail}`, { errors: [{ pointer: '/adapter', detail }] });
}

async function classify(
  parts: JudgeParts,
  encodings: readonly Encoding[],
  adapter: AdapterRef | null,
  { deadline }: Time,
  options: Pick<ClassifyWith, 'signal' | 'riders'>,
): Promise<(Float32Array | null)[]> {
  options.signal?.throwIfAborted();
  if (encodings.length === 0) return [];
  const logits = await parts.engine.classify(
    encodings.map(({ ids }) => ids),
    { adapter: adapter?.digest ?? null, deadline, ...options },
  );
  if (logits.length !== encodings.length)
    throw new Error(`the engine answered ${logits.length} rows to ${encodings.length}`);
  return logits;
}

/** A pair that could not be judged: an error, never a judgement somebody might store. */
function troubled(pair_id: string, error: string, truncated: boolean): Judgement {
  const none = { prediction_id: null, label: 'neutral', confidence: 0, raw_label: null, scores: null } as const;
  return { pair_id, ...none, truncated, error };
}

function judgement(
  labels: readonly CheckpointLabel[],
  pair_id: string,
  logits: Float32Array | null,
  truncated: boolean,
): Judgement {
  if (logits === null || !logits.every(Number.isFinite))
    return troubled(pair_id, 'the model gave no finite answer to this pair', truncated);
  if (logits.length !== labels.length)
    throw new Error(`the checkpoint names ${labels.length} labels but the engine gave ${logits.length} logits`);
  const shares = softmax(logits);
  const best = shares.indexOf(Math.max(...shares));
  const { label, raw_label } = labels[best] as CheckpointLabel;
  const scores = scoresOf(labels, shares);
  return { pair_id, prediction_id: null, label, confidence: scores[label], raw_label, scores, truncated, error: null };
}

/** Σ = 1, in float64; the largest logit is taken off first, so that no exponential overflows. */
export function softmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const top = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** A wire label that the checkpoint does not know scores 0. */
function scoresOf(labels: readonly CheckpointLabel[], shares: readonly number[]): Record<Label, number> {
  const scores = Object.fromEntries(LABELS.map((label) => [label, 0])) as Record<Label, number>;
  for (const [index, { label }] of labels.entries()) scores[label] = shares[index] ?? 0;
  return scores;
}

/** The results with their prediction_id, once the rows are on disk. */
async function recorded(
  parts: JudgeParts,
  { pairs, key_id = null }: JudgeRequest,
  results: Judgement[],
  adapter: AdapterRef | null,
  time: Time,
): Promise<Judgement[]> {
  if (parts.record.mode === 'off') return results;
  const made = {
    model: parts.model.name,
    model_digest: parts.model.digest,
    adapter,
    created_at: new Date(parts.clock.now()).toISOString(),
    latency_ms: parts.clock.monotonic() - time.start,
    key_id,
  };
  const named = results.map((result) => (result.error === null ? { ...result, prediction_id: parts.newId() } : result));
  const rows = named.flatMap((result, index) => recordOf(result, pairs[index] as JudgePair, made));
  const leftMs = left(parts, time);
  if (leftMs <= 0) throw overdue();
  return rows.length === 0 || (await written(parts.record, rows, leftMs)) ? named : results;
}

type Made = Pick<NewPrediction, 'model' | 'model_digest' | 'adapter' | 'created_at' | 'latency_ms' | 'key_id'>;

/** One row, or none for a pair that was not judged. */
function recordOf(result: Judgement, pair: JudgePair, made: Made): NewPrediction[] {
  const { prediction_id, raw_label, scores, label, confidence, truncated } = result;
  if (prediction_id === null || raw_label === null || scores === null) return [];
  return [{ id: prediction_id, ...pair, label, confidence, raw_label, scores, truncated, ...made }];
}

/** How long an answer that may leave without a record waits for it: a database may be locked for seconds. */
const BEST_EFFORT_MS = 1000;

/** `leftMs` is what the deadline leaves; a write that takes longer counts as failed, although it may still succeed. */
async function written(record: Recorder, rows: readonly NewPrediction[], leftMs: number): Promise<boolean> {
  const patienceMs = record.mode === 'best-effort' ? Math.min(BEST_EFFORT_MS, leftMs) : leftMs;
  let slow: Error | undefined;
  const tooSlow = (): Error =>
    (slow = new Error(`the judgements were not recorded within ${Math.round(patienceMs)} ms`));
  try {
    await inTime(() => record.write(rows), patienceMs, tooSlow);
    failpoint('judgements.committed');
    return true;
  } catch (error) {
    record.failed(error, rows.length);
    if (record.mode === 'best-effort') return false;
    if (error === slow) throw overdue();
    const code = error instanceof Problem && error.code === 'storage-full' ? error.code : 'storage-failed';
    throw new Problem(code, 'the judgements could not be recorded', { cause: error });
  }
}
