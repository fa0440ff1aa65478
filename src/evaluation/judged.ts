/** The words of this folder: a reviewed pair, and what the two adapters say of it. */
import type { Label } from '../labels.js';

export interface Answer {
  readonly label: Label;
  /** The largest score. */
  readonly confidence: number;
  /** The softmax of the logits; a label that the checkpoint does not know has 0. */
  readonly scores: Readonly<Record<Label, number>>;
}

/** A held-out correction or confirmation. */
export interface ReviewedRow {
  readonly correction_id: string;
  readonly page_id: string | null;
  /** Rows of one group (a page, or a premise) are not independent of each other. */
  readonly group_key: string;
  readonly kind: 'correction' | 'confirmation';
  readonly premise: string;
  readonly nli_hypothesis: string;
  readonly original_label: Label;
  readonly correct_label: Label;
  readonly review_source: string;
}

export interface JudgedRow extends ReviewedRow {
  readonly old: Answer;
  readonly new: Answer;
}

/** An answer beside the truth. */
export interface Outcome {
  readonly truth: Label;
  readonly answer: Answer;
}

export const isCorrect = ({ truth, answer }: Outcome): boolean => answer.label === truth;

export const outcomeOf = (row: JudgedRow, which: 'old' | 'new'): Outcome => ({
  truth: row.correct_label,
  answer: row[which],
});
