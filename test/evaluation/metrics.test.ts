/** Figures worked out by hand and, in exact fractions, by a program in another language. */
import t, { type Test } from 'tap';
import {
  brier,
  calibrationError,
  countConfidentErrors,
  logLoss,
  reliability,
} from '../../src/evaluation/calibration.js';
import { classReports, confusionOf, countCorrect, macroF1 } from '../../src/evaluation/classification.js';
import { outcome } from './reviews.js';

const OUTCOMES = [
  outcome('supports', 0.7, 0.2, 0.1),
  outcome('supports', 0.15, 0.8, 0.05),
  outcome('refutes', 0.05, 0.9, 0.05),
  outcome('refutes', 0.1, 0.3, 0.6),
  outcome('neutral', 0.25, 0.25, 0.5),
  outcome('neutral', 0.85, 0.05, 0.1),
  outcome('supports', 0.95, 0.03, 0.02),
  outcome('refutes', 0.4, 0.35, 0.25),
  outcome('neutral', 0, 0, 1),
  outcome('supports', 0.5, 0.1, 0.4),
];

function near(test: Test, value: number | null | undefined, wanted: number, what: string): void {
  test.ok(Math.abs((value ?? Number.NaN) - wanted) < 1e-12, `${what}: ${value}, ${wanted} expected`);
}

t.test('confusion, precision, recall, F1', async (t) => {
  const confusion = confusionOf(OUTCOMES);
  t.same(confusion, {
    supports: { supports: 3, refutes: 1, neutral: 0 },
    refutes: { supports: 1, refutes: 1, neutral: 1 },
    neutral: { supports: 1, refutes: 0, neutral: 2 },
  });
  t.equal(countCorrect(OUTCOMES), 6);
  const reports = classReports(confusion);
  const wanted = {
    supports: [3 / 5, 3 / 4, 2 / 3, 4],
    refutes: [1 / 2, 1 / 3, 2 / 5, 3],
    neutral: [2 / 3, 2 / 3, 2 / 3, 3],
  };
  for (const [label, [precision = 0, recall = 0, f1 = 0, support]] of Object.entries(wanted)) {
    const report = reports[label as 'supports'];
    near(t, report.precision, precision, `${label} precision`);
    near(t, report.recall, recall, `${label} recall`);
    near(t, report.f1, f1, `${label} F1`);
    t.equal(report.support, support);
  }
  near(t, macroF1(confusion), 26 / 45, 'macro F1');
});

t.test('what never occurs has no precision, recall or F1, and is no part of the mean', async (t) => {
  const confusion = confusionOf([outcome('supports', 1, 0, 0), outcome('refutes', 1, 0, 0)]);
  const { supports, refutes, neutral } = classReports(confusion);
  t.same(neutral, { precision: null, recall: null, f1: null, support: 0 });
  t.same(refutes, { precision: null, recall: 0, f1: 0, support: 1 });
  t.same(supports, { precision: 1 / 2, recall: 1, f1: 2 / 3, support: 1 });
  t.equal(macroF1(confusion), 1 / 3);
});

t.test('log-loss, Brier score, calibration error', async (t) => {
  near(t, logLoss(OUTCOMES), 0.835312312180854, 'log-loss');
  near(t, brier(OUTCOMES), 13_397 / 25_000, 'Brier');
  const bins = reliability(OUTCOMES);
  t.equal(bins.length, 15);
  t.same(
    bins.map(({ n }) => n),
    [0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 1, 2],
    'a confidence on a border is in the bin that ends there',
  );
  t.equal(bins[7]?.accuracy, 1);
  near(t, bins[14]?.confidence, 0.975, 'mean confidence of the last bin');
  near(t, calibrationError(bins), 0.41, 'ECE');
  t.equal(countConfidentErrors(OUTCOMES), 1, '0.8 itself is not above 0.8');
});

t.test('a truth that was given no chance has a finite loss; a sure and right answer none', async (t) => {
  near(t, logLoss([outcome('refutes', 1, 0, 0)]), 52 * Math.LN2, 'the loss of 2^-52');
  t.equal(Math.abs(logLoss([outcome('supports', 1, 0, 0)]) ?? 1), 0);
  t.equal(brier([outcome('refutes', 1, 0, 0)]), 2);
  t.equal(reliability([outcome('supports', 0, 0, 0)])[0]?.n, 1, 'no confidence at all is in the first bin');
});

t.test('of no rows nothing is said', async (t) => {
  t.same(
    [logLoss([]), brier([]), calibrationError(reliability([])), macroF1(confusionOf([]))],
    [null, null, null, null],
  );
});
