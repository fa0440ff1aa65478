/** What labels alone tell: confusion, accuracy, precision, recall, F1. */
import { LABELS, type Label } from '../labels.js';
import { isCorrect, type Outcome } from './judged.js';

/** Truth → answer → rows. */
export type Confusion = Readonly<Record<Label, Readonly<Record<Label, number>>>>;

/** null: nothing was answered so (precision), nothing is so (recall), neither (F1). */
export interface ClassReport {
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  /** Rows that truly have the label. */
  readonly support: number;
}

const zeros = (): Record<Label, number> => ({ supports: 0, refutes: 0, neutral: 0 });

export function countLabels(labels: Iterable<Label>): Record<Label, number> {
  const counts = zeros();
  for (const label of labels) counts[label] += 1;
  return counts;
}

export const countCorrect = (outcomes: readonly Outcome[]): number => outcomes.filter(isCorrect).length;

export function confusionOf(outcomes: readonly Outcome[]): Confusion {
  const confusion = { supports: zeros(), refutes: zeros(), neutral: zeros() };
  for (const { truth, answer } of outcomes) confusion[truth][answer.label] += 1;
  return confusion;
}

const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

/**
 * precision = TP / (TP + FP), recall = TP / (TP + FN), F1 = 2 TP / (2 TP + FP + FN): the harmonic mean of the two
 * (van Rijsbergen, Information Retrieval, 1979, chapter 7).
 */
export function classReport(confusion: Confusion, label: Label): ClassReport {
  const hits = confusion[label][label];
  const answered = LABELS.reduce((sum, truth) => sum + confusion[truth][label], 0);
  const support = LABELS.reduce((sum, answer) => sum + confusion[label][answer], 0);
  return {
    precision: share(hits, answered),
    recall: share(hits, support),
    f1: share(2 * hits, answered + support),
    support,
  };
}

export const classReports = (confusion: Confusion): Record<Label, ClassReport> => ({
  supports: classReport(confusion, 'supports'),
  refutes: classReport(confusion, 'refutes'),
  neutral: classReport(confusion, 'neutral'),
});

/**
 * The unweighted mean of F1 over the labels that occur among truths or answers (as scikit-learn's
 * `f1_score(average='macro')` takes them); null without rows.
 */
export function macroF1(confusion: Confusion): number | null {
  const each = LABELS.map((label) => classReport(confusion, label).f1).filter((f1) => f1 !== null);
  return each.length === 0 ? null : each.reduce((sum, f1) => sum + f1, 0) / each.length;
}
