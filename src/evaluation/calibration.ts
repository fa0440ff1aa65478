/** What scores tell beyond labels: log-loss, Brier score, calibration error. */
import { LABELS } from '../labels.js';
import { isCorrect, type Outcome } from './judged.js';

/** One bar of the reliability diagram: answers with low < confidence ≤ high (0 is in the first). */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly n: number;
  /** Means over the bin; null when it is empty. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

/** A score of 0 would make the loss infinite: it counts as the least step of a double at 1. */
const LEAST = Number.EPSILON;

/** −mean ln p(truth), in nats (Good, Rational Decisions, 1952; clipped as scikit-learn's `log_loss` is). Null without rows. */
export const logLoss = (outcomes: readonly Outcome[]): number | null =>
  mean(outcomes.map(({ truth, answer }) => -Math.log(Math.min(1, Math.max(LEAST, answer.scores[truth])))));

/** mean Σ over labels of (p − [is the truth])², from 0 to 2 (Brier, Monthly Weather Review 78, 1950, formula 2). */
export const brier = (outcomes: readonly Outcome[]): number | null =>
  mean(
    outcomes.map(({ truth, answer }) =>
      LABELS.reduce((sum, label) => sum + (answer.scores[label] - (label === truth ? 1 : 0)) ** 2, 0),
    ),
  );

export const BINS = 15;

/** Equal widths over confidence (Guo et al., On Calibration of Modern Neural Networks, 2017, section 2). */
export function reliability(outcomes: readonly Outcome[], bins = BINS): ReliabilityBin[] {
  const members: Outcome[][] = Array.from({ length: bins }, () => []);
  for (const outcome of outcomes) members[binOf(outcome.answer.confidence, bins)]?.push(outcome);
  return members.map((own, index) => ({
    low: index / bins,
    high: (index + 1) / bins,
    n: own.length,
    confidence: mean(own.map(({ answer }) => answer.confidence)),
    accuracy: mean(own.map((outcome) => (isCorrect(outcome) ? 1 : 0))),
  }));
}

const binOf = (confidence: number, bins: number): number =>
  Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));

/** ECE = Σ n_b / n · |accuracy_b − confidence_b| (Guo et al. 2017, formula 3). Null without rows. */
export function calibrationError(bins: readonly ReliabilityBin[]): number | null {
  const n = bins.reduce((sum, bin) => sum + bin.n, 0);
  if (n === 0) return null;
  return bins.reduce((sum, bin) => sum + (bin.n / n) * Math.abs((bin.accuracy ?? 0) - (bin.confidence ?? 0)), 0);
}

/** Errors above this are what the memo calls corrections worth learning from. */
export const CONFIDENT = 0.8;

export const countConfidentErrors = (outcomes: readonly Outcome[]): number =>
  outcomes.filter((outcome) => !isCorrect(outcome) && outcome.answer.confidence > CONFIDENT).length;
