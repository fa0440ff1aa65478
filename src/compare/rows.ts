/** Both adapters judge the same rows: in the background, a few at a time, and after the live traffic. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../engine/engine.js';
import { Problem } from '../errors.js';
import type { Answer, JudgedRow, ReviewedRow } from '../evaluation/judged.js';
import { scored } from '../judge/judgement.js';
import type { CheckpointLabel } from '../labels.js';
import type { Encoded, Text } from '../text/text.js';

export interface JudgeBothParts {
  readonly text: Pick<Text, 'encode'>;
  /** `classify` must know every adapter that is compared. */
  readonly engine: Pick<Engine, 'classify' | 'status'>;
  /** What each logit stands for. */
  readonly labels: readonly CheckpointLabel[];
  /** Milliseconds of performance.now(). */
  readonly monotonic: () => number;
}

/** Digests; null is the base model alone. */
export interface Adapters {
  readonly old: string | null;
  readonly new: string | null;
}

/** Of one adapter alone, one pair at a time, in milliseconds. */
export interface Latency {
  readonly pairs: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
}

export interface JudgedBoth {
  readonly rows: JudgedRow[];
  /** Rows whose texts the model cannot take, by the reason's code. */
  readonly not_judged: Readonly<Record<string, number>>;
  readonly latency: { readonly old: Latency; readonly new: Latency };
}

interface EncodedRow {
  readonly row: ReviewedRow;
  readonly ids: Int32Array;
}

/**
 * Rows in the order given. Rejects with an Error that names the adapter when its logits are not finite (it may not answer
 * anybody), with Problem 'unavailable' when the engine cannot judge, or with the signal's reason.
 */
export async function judgeBoth(
  parts: JudgeBothParts,
  rows: readonly ReviewedRow[],
  adapters: Adapters,
  signal: AbortSignal,
): Promise<JudgedBoth> {
  const { encoded, not_judged } = await encodeAll(parts, rows, signal);
  const judged = new Map<ReviewedRow, JudgedRow>();
  for (const chunk of chunksOf(encoded)) {
    await yieldToTraffic(parts, signal);
    for (const row of await judgeChunk(parts, chunk, adapters, signal)) judged.set(row.source, row.judged);
  }
  const latency = await measure(parts, encoded, adapters, signal);
  return { rows: rows.flatMap((row) => judged.get(row) ?? []), not_judged, latency };
}

const PAIRS_PER_ENCODING = 64;

async function encodeAll({ text }: JudgeBothParts, rows: readonly ReviewedRow[], signal: AbortSignal) {
  const encoded: EncodedRow[] = [];
  const not_judged: Record<string, number> = {};
  for (let from = 0; from < rows.length; from += PAIRS_PER_ENCODING) {
    const part = rows.slice(from, from + PAIRS_PER_ENCODING);
    const pairs = part.map(({ premise, nli_hypothesis }) => ({ premise, hypothesis: nli_hypothesis }));
    const encodings = await patiently(() => text.encode(pairs), signal);
    for (const [at, row] of part.entries()) {
      const one = encodings[at] as Encoded;
      if ('ids' in one) encoded.push({ row, ids: one.ids });
      else not_judged[one.code] = (not_judged[one.code] ?? 0) + 1;
    }
  }
  return { encoded, not_judged };
}

/** Padded tokens of a chunk, both adapters counted: what a live pair may have to wait for. */
const CHUNK_TOKENS = 512;

/** Neighbours in length, so that little is padded. A row that is longer goes alone. */
function* chunksOf(encoded: readonly EncodedRow[]): Generator<EncodedRow[]> {
  let chunk: EncodedRow[] = [];
  for (const one of encoded.toSorted((a, b) => a.ids.length - b.ids.length)) {
    if (chunk.length > 0 && 2 * (chunk.length + 1) * one.ids.length > CHUNK_TOKENS) {
      yield chunk;
      chunk = [];
    }
    chunk.push(one);
  }
  if (chunk.length > 0) yield chunk;
}

const LOOK_AGAIN_MS = 10;
/** Under traffic that never pauses a comparison goes on after this. */
const LONGEST_WAIT_MS = 1000;

async function yieldToTraffic({ engine, monotonic }: JudgeBothParts, signal: AbortSignal): Promise<void> {
  const start = monotonic();
  while (engine.status().queuedPairs > 0 && monotonic() - start < LONGEST_WAIT_MS)
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  signal.throwIfAborted();
}

interface Judged {
  readonly source: ReviewedRow;
  readonly judged: JudgedRow;
}

/** Both adapters judge a row in one batch. */
async function judgeChunk(
  parts: JudgeBothParts,
  chunk: readonly EncodedRow[],
  adapters: Adapters,
  signal: AbortSignal,
): Promise<Judged[]> {
  const ids = chunk.map((one) => one.ids);
  const both = { adapters: [adapters.old, adapters.new], signal };
  const logits = await patiently(() => parts.engine.classify(ids, both), signal);
  return chunk.map(({ row }, at) => {
    const [old, next] = logits.slice(2 * at, 2 * at + 2);
    return {
      source: row,
      judged: { ...row, old: answerOf(parts.labels, old, 'old'), new: answerOf(parts.labels, next, 'new') },
    };
  });
}

/** Throws when the logits are not finite: such an adapter may not answer anybody. */
export function answerOf(
  labels: readonly CheckpointLabel[],
  logits: Float32Array | null | undefined,
  which: 'old' | 'new',
): Answer {
  if (!logits) throw new Error(`the ${which} adapter gave no finite answer to a held-out pair`);
  const { label, confidence, scores } = scored(labels, logits);
  return { label, confidence, scores };
}

const RETRIES = { 'queue-full': 600, unavailable: 5 } as const;
const RETRY_AFTER_MS = 1000;

/** Background work has time: a full queue is waited for long, an engine that lost a child a little. */
async function patiently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const code = error instanceof Problem ? error.code : undefined;
      const most = code === 'queue-full' || code === 'unavailable' ? RETRIES[code] : 0;
      if (tries > most || signal.aborted) throw error;
      await sleep(RETRY_AFTER_MS, undefined, { signal });
    }
  }
}

const MEASURED_PAIRS = 20;

/** Rows spread evenly over the lengths, each judged alone by one adapter and then the other. */
async function measure(
  parts: JudgeBothParts,
  encoded: readonly EncodedRow[],
  adapters: Adapters,
  signal: AbortSignal,
): Promise<JudgedBoth['latency']> {
  const sorted = encoded.toSorted((a, b) => a.ids.length - b.ids.length);
  const count = Math.min(MEASURED_PAIRS, sorted.length);
  const times = { old: [] as number[], new: [] as number[] };
  for (let at = 0; at < count; at++) {
    const { ids } = sorted[Math.floor((at * sorted.length) / count)] as EncodedRow;
    for (const which of at % 2 === 0 ? (['old', 'new'] as const) : (['new', 'old'] as const)) {
      await yieldToTraffic(parts, signal);
      const start = parts.monotonic();
      await patiently(() => parts.engine.classify([ids], { adapter: adapters[which], signal }), signal);
      times[which].push(parts.monotonic() - start);
    }
  }
  return { old: latencyOf(times.old), new: latencyOf(times.new) };
}

/** Nearest ranks. */
function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (share: number): number | null => sorted[Math.ceil(share * sorted.length) - 1] ?? null;
  return { pairs: sorted.length, p50_ms: rank(0.5), p95_ms: rank(0.95) };
}
