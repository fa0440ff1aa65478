/** What is made of one row's logits: a judgement, or the reason why there is none. */
import { type CheckpointLabel, type Label, LABELS } from '../labels.js';

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

/** A pair that could not be judged: an error, never a judgement somebody might store. */
export function troubled(pair_id: string, error: string, truncated: boolean): Judgement {
  const none = { prediction_id: null, label: 'neutral', confidence: 0, raw_label: null, scores: null } as const;
  return { pair_id, ...none, truncated, error };
}

/** `logits`, [labels]: null where they are not finite. Throws when there are not as many as `labels`. */
export function judgement(
  labels: readonly CheckpointLabel[],
  pair_id: string,
  logits: Float32Array | null,
  truncated: boolean,
): Judgement {
  if (logits === null || !logits.every(Number.isFinite))
    return troubled(pair_id, 'the model gave no finite answer to this pair', truncated);
  return { pair_id, prediction_id: null, ...scored(labels, logits), truncated, error: null };
}

export interface Scored {
  readonly label: Label;
  readonly confidence: number;
  readonly raw_label: string;
  readonly scores: Record<Label, number>;
}

/** What finite logits, [labels], say. Throws when there are not as many as `labels`. */
export function scored(labels: readonly CheckpointLabel[], logits: Float32Array): Scored {
  if (logits.length !== labels.length)
    throw new Error(`the checkpoint names ${labels.length} labels but the engine gave ${logits.length} logits`);
  const shares = softmax(logits);
  const { label, raw_label } = labels[shares.indexOf(Math.max(...shares))] as CheckpointLabel;
  const scores = scoresOf(labels, shares);
  return { label, confidence: scores[label], raw_label, scores };
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
