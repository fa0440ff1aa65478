/** The report of a shadow comparison: everything said of two adapters on the same held-out rows. Pure. */
import type { Label } from '../labels.js';
import { type BootstrapOptions, bootstrapByPage, type Cluster, type Interval, type Pause } from './bootstrap.js';
import {
  brier,
  calibrationError,
  countConfidentErrors,
  logLoss,
  reliability,
  type ReliabilityBin,
} from './calibration.js';
import {
  type ClassReport,
  classReports,
  type Confusion,
  confusionOf,
  countCorrect,
  countLabels,
  macroF1,
} from './classification.js';
import { type Flip, flipsOf, isBroken, isFixed } from './flips.js';
import {
  decide,
  type Decision,
  type GateLimits,
  lowerLimit,
  recommendsDeploy,
  type SetCounts,
  type SetName,
  type Sets,
} from './gate.js';
import { type JudgedRow, type Outcome, outcomeOf } from './judged.js';
import { exactP } from './mcnemar.js';

/** What one adapter makes of one set of rows; null where there are none. */
export interface SideReport {
  readonly correct: number;
  readonly accuracy: number | null;
  readonly macro_f1: number | null;
  readonly classes: Readonly<Record<Label, ClassReport>>;
  readonly confusion: Confusion;
  readonly log_loss: number | null;
  readonly brier: number | null;
  readonly ece: number | null;
  readonly reliability: readonly ReliabilityBin[];
  /** Wrong with a confidence above 0.8. */
  readonly confident_errors: number;
}

/** new − old. `interval` is of a bootstrap by page; null for fewer than two pages. */
export interface Difference {
  readonly value: number | null;
  readonly interval: Interval | null;
  /** One-sided, 95 %: the bootstrap's, exact binomial where nothing broke. */
  readonly lower_limit: number | null;
}

export interface SetReport {
  readonly n: number;
  readonly pages: number;
  readonly labels: Readonly<Record<Label, number>>;
  readonly old: SideReport;
  readonly new: SideReport;
  readonly difference: Difference;
  /** McNemar: b = fixed, c = broken, exact two-sided p. */
  readonly mcnemar: { readonly fixed: number; readonly broken: number; readonly p: number };
}

export interface Evaluation extends Decision {
  /** The memo's three keys, over the union. */
  readonly old_accuracy: number | null;
  readonly new_accuracy: number | null;
  readonly recommend_deploy: boolean;
  readonly sets: Sets<SetReport>;
  readonly flips: { readonly fixed: readonly Flip[]; readonly broken: readonly Flip[] };
  /** Whether calibration speaks for traffic: only when every row came from a random review. */
  readonly basis: 'a random review' | 'reviewed rows, not traffic';
}

export interface EvaluationOptions {
  readonly limits: GateLimits;
  readonly bootstrap: BootstrapOptions;
  readonly pause?: Pause;
}

/** Every number of the comparison. The same rows, options and seed give the same report. */
export async function evaluate(judged: readonly JudgedRow[], options: EvaluationOptions): Promise<Evaluation> {
  // In one order, so that sums of fractions do not depend on the order they came in.
  const rows = judged.toSorted((a, b) => (a.correction_id < b.correction_id ? -1 : 1));
  const of = (kind: JudgedRow['kind']): JudgedRow[] => rows.filter((row) => row.kind === kind);
  const sets: Sets<SetReport> = {
    corrections: await setReport(of('correction'), options),
    confirmations: await setReport(of('confirmation'), options),
    union: await setReport(rows, options),
  };
  const counts = mapSets(sets, countsOf);
  return {
    old_accuracy: sets.union.old.accuracy,
    new_accuracy: sets.union.new.accuracy,
    recommend_deploy: recommendsDeploy(counts.union),
    ...decide(counts, options.limits),
    sets,
    flips: flipsOf(rows),
    basis:
      rows.length > 0 && rows.every(({ review_source }) => review_source === 'random')
        ? 'a random review'
        : 'reviewed rows, not traffic',
  };
}

const mapSets = <T, U>(sets: Sets<T>, map: (set: T) => U): Sets<U> =>
  Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, map(set)])) as Record<SetName, U>;

const countsOf = ({ n, pages, old, new: next, mcnemar, difference: { interval } }: SetReport): SetCounts => ({
  n,
  pages,
  old_correct: old.correct,
  new_correct: next.correct,
  ...mcnemar,
  interval,
});

async function setReport(
  rows: readonly JudgedRow[],
  { bootstrap, limits, pause }: EvaluationOptions,
): Promise<SetReport> {
  const clusters = clustersOf(rows);
  const [fixed, broken] = [rows.filter(isFixed).length, rows.filter(isBroken).length];
  const interval = await bootstrapByPage(clusters, bootstrap, pause);
  const report = {
    n: rows.length,
    pages: clusters.length,
    labels: countLabels(rows.map(({ correct_label }) => correct_label)),
    old: sideReport(rows.map((row) => outcomeOf(row, 'old'))),
    new: sideReport(rows.map((row) => outcomeOf(row, 'new'))),
    mcnemar: { fixed, broken, p: exactP(fixed, broken) },
  };
  const value = rows.length === 0 ? null : (fixed - broken) / rows.length;
  const difference = { value, interval, lower_limit: null };
  const lower_limit = lowerLimit(countsOf({ ...report, difference }), limits);
  return { ...report, difference: { ...difference, lower_limit } };
}

/** In the order of the groups' keys: the draws of a seed are the same whatever the rows' ids are. */
function clustersOf(rows: readonly JudgedRow[]): Cluster[] {
  const clusters = new Map<string, Cluster>();
  for (const row of rows) {
    const { difference, n } = clusters.get(row.group_key) ?? { difference: 0, n: 0 };
    const change = isFixed(row) ? 1 : isBroken(row) ? -1 : 0;
    clusters.set(row.group_key, { difference: difference + change, n: n + 1 });
  }
  return [...clusters].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, cluster]) => cluster);
}

function sideReport(outcomes: readonly Outcome[]): SideReport {
  const correct = countCorrect(outcomes);
  const confusion = confusionOf(outcomes);
  const bins = reliability(outcomes);
  return {
    correct,
    accuracy: outcomes.length === 0 ? null : correct / outcomes.length,
    macro_f1: macroF1(confusion),
    classes: classReports(confusion),
    confusion,
    log_loss: logLoss(outcomes),
    brier: brier(outcomes),
    ece: calibrationError(bins),
    reliability: bins,
    confident_errors: countConfidentErrors(outcomes),
  };
}
