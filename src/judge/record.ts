/** Judgements are written down before they are answered, so that every one can be corrected by its id. */
import type { AdapterRef } from '../db/prediction-rows.js';
import type { NewPrediction } from '../db/record.js';
import { overdue, Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { inTime } from '../in-time.js';
import type { Judgement, JudgePair } from './judgement.js';

/** `best-effort`: a failed record leaves prediction_id null; `required`: it fails the request; `off`: none is kept. */
export type RecordMode = 'best-effort' | 'required' | 'off';

export interface Recorder {
  readonly mode: RecordMode;
  /** Resolves when the rows are on disk. */
  write(rows: readonly NewPrediction[]): Promise<void>;
  /** Told of each failed write, with the number of judgements it lost. */
  failed(error: unknown, rows: number): void;
}

/** What the judgements of one request have in common. */
export interface Made {
  readonly model: string;
  readonly model_digest: string;
  readonly adapter: AdapterRef | null;
  readonly created_at: string;
  readonly latency_ms: number;
  readonly key_id: string | null;
}

export interface ToRecord {
  readonly pairs: readonly JudgePair[];
  /** One for each pair. */
  readonly results: Judgement[];
  readonly made: Made;
  readonly newId: () => string;
  /** What the deadline leaves, in milliseconds. */
  readonly leftMs: number;
}

/**
 * The results with their prediction_id, once the rows are on disk; without, where they need not be kept and could not be.
 * Rejects with Problem 'deadline', 'storage-full' or 'storage-failed'.
 */
export async function recorded(record: Recorder, { results, ...rest }: ToRecord): Promise<Judgement[]> {
  if (record.mode === 'off') return results;
  const { pairs, made, newId, leftMs } = rest;
  const named = results.map((result) => (result.error === null ? { ...result, prediction_id: newId() } : result));
  const rows = named.flatMap((result, index) => recordOf(result, pairs[index] as JudgePair, made));
  if (leftMs <= 0) throw overdue();
  return rows.length === 0 || (await written(record, rows, leftMs)) ? named : results;
}

/** One row, or none for a pair that was not judged. */
function recordOf(result: Judgement, pair: JudgePair, made: Made): NewPrediction[] {
  const { prediction_id, raw_label, scores, label, confidence, truncated } = result;
  if (prediction_id === null || raw_label === null || scores === null) return [];
  return [{ id: prediction_id, ...pair, label, confidence, raw_label, scores, truncated, ...made }];
}

/** How long an answer that may leave without a record waits for it: a database may be locked for seconds. */
const BEST_EFFORT_MS = 1000;

/** A write that takes longer than it may counts as failed, although it may still succeed. */
async function written(record: Recorder, rows: readonly NewPrediction[], leftMs: number): Promise<boolean> {
  const patienceMs = record.mode === 'best-effort' ? Math.min(BEST_EFFORT_MS, leftMs) : leftMs;
  try {
    await inTime(
      () => record.write(rows),
      patienceMs,
      () => new Slow(`the judgements were not recorded within ${Math.round(patienceMs)} ms`),
    );
    failpoint('judgements.committed');
    return true;
  } catch (error) {
    record.failed(error, rows.length);
    if (record.mode === 'best-effort') return false;
    throw error instanceof Slow ? overdue() : notRecorded(error);
  }
}

class Slow extends Error {}

function notRecorded(cause: unknown): Problem {
  const code = cause instanceof Problem && cause.code === 'storage-full' ? cause.code : 'storage-failed';
  return new Problem(code, 'the judgements could not be recorded', { cause });
}
