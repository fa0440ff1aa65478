/**
 * Whether the new adapter may replace the old one. On counts of rows, for `new >= old - 0.02` in floating point fails at
 * exact ties. Pure.
 */
import { limitOfNone, rowsForLimit } from './bootstrap.js';
import type { Interval } from './bootstrap.js';
import { timesUntilSignificant } from './mcnemar.js';

export interface GateLimits {
  /** Hundredths of the rows that may be lost net, over the union and over confirmations. */
  readonly loss_percent: number;
  /** The largest p at which more fixed than broken is no chance. */
  readonly alpha: number;
  /** The least one-sided 95 % lower limit of the difference on confirmations. */
  readonly lower_limit: number;
  /** Fewer in corrections or confirmations decide nothing. */
  readonly least_rows: number;
  readonly least_pages: number;
}

export const GATE: GateLimits = { loss_percent: 2, alpha: 0.05, lower_limit: -0.05, least_rows: 20, least_pages: 10 };

/** What the gate looks at of a set of rows. */
export interface SetCounts {
  readonly n: number;
  readonly pages: number;
  readonly old_correct: number;
  readonly new_correct: number;
  readonly fixed: number;
  readonly broken: number;
  /** McNemar's exact two-sided p. */
  readonly p: number;
  /** Of the difference of accuracies; null: nothing can be said. */
  readonly interval: Pick<Interval, 'lower' | 'upper'> | null;
}

export type SetName = 'corrections' | 'confirmations' | 'union';
export type Sets<T> = Readonly<Record<SetName, T>>;

export type RuleVerdict = 'pass' | 'fail' | 'undecided';
export type Verdict = 'recommend' | 'do_not_recommend' | 'not_enough_data';

/** Held-out reviews that a rule still lacks; `rows` null: nobody can tell how many. */
export interface Lacking {
  readonly rows: number | null;
  readonly pages: number;
}

export interface Rule {
  readonly name: string;
  readonly set: SetName;
  /** In words, with the limit. */
  readonly statement: string;
  readonly value: number | null;
  readonly limit: number;
  readonly verdict: RuleVerdict;
  /** Of an undecided rule. */
  readonly lacking: Lacking | null;
}

export interface Decision {
  readonly verdict: Verdict;
  readonly rules: Rule[];
  /** Held-out reviews that would decide it, of each kind; null unless the verdict is `not_enough_data`. */
  readonly lacking: Readonly<Record<'corrections' | 'confirmations', Lacking>> | null;
}

/** 100 · (new − old) ≥ −percent · n, in whole rows. */
export const holdsAccuracy = ({ n, old_correct, new_correct }: SetCounts, percent: number): boolean =>
  100 * (new_correct - old_correct) >= -percent * n;

/** The memo's `new_accuracy >= old_accuracy - 0.02`, decided on counts. Nothing is recommended on no rows. */
export const recommendsDeploy = (union: SetCounts): boolean => union.n > 0 && holdsAccuracy(union, 2);

/**
 * Every rule with its value and limit, and what they come to: too few rows or pages in a set decide nothing; else one rule
 * that fails refuses; else one that is undecided asks for more reviews.
 */
export function decide(sets: Sets<SetCounts>, limits: GateLimits = GATE): Decision {
  const sizes = [...sizeRules('corrections', sets, limits), ...sizeRules('confirmations', sets, limits)];
  const { corrections, confirmations } = sets;
  const quality = [
    accuracyRule('union', sets, limits),
    fixedRule(corrections),
    chanceRule(corrections, limits),
    accuracyRule('confirmations', sets, limits),
    lowerLimitRule(confirmations, limits),
  ];
  const rules = [...sizes, ...quality];
  const verdict = verdictOf(sizes, quality);
  return { verdict, rules, lacking: verdict === 'not_enough_data' ? lackingOf(rules) : null };
}

function verdictOf(sizes: readonly Rule[], quality: readonly Rule[]): Verdict {
  if (sizes.some(({ verdict }) => verdict !== 'pass')) return 'not_enough_data';
  if (quality.some(({ verdict }) => verdict === 'fail')) return 'do_not_recommend';
  return quality.some(({ verdict }) => verdict === 'undecided') ? 'not_enough_data' : 'recommend';
}

function lackingOf(rules: readonly Rule[]): NonNullable<Decision['lacking']> {
  const of = (name: SetName): Lacking => {
    const open = rules.flatMap(({ set, lacking }) => (set === name && lacking !== null ? [lacking] : []));
    const rows = open.map((lacking) => lacking.rows);
    return {
      rows: rows.includes(null) ? null : Math.max(0, ...rows.map(Number)),
      pages: Math.max(0, ...open.map(({ pages }) => pages)),
    };
  };
  return { corrections: of('corrections'), confirmations: of('confirmations') };
}

type Decided = Pick<Rule, 'value' | 'limit' | 'verdict' | 'lacking'>;

function atLeast(value: number, limit: number, lacking: Lacking): Decided {
  const enough = value >= limit;
  return { value, limit, verdict: enough ? 'pass' : 'undecided', lacking: enough ? null : lacking };
}

function sizeRules(set: 'corrections' | 'confirmations', sets: Sets<SetCounts>, limits: GateLimits): Rule[] {
  const { n, pages } = sets[set];
  const { least_rows, least_pages } = limits;
  const rows = atLeast(n, least_rows, { rows: least_rows - n, pages: 0 });
  const spread = atLeast(pages, least_pages, { rows: least_pages - pages, pages: least_pages - pages });
  return [
    { name: `${set}_rows`, set, statement: `at least ${least_rows} held-out ${set}`, ...rows },
    { name: `${set}_pages`, set, statement: `${set} of at least ${least_pages} pages`, ...spread },
  ];
}

const passes = (holds: boolean): Pick<Rule, 'verdict' | 'lacking'> => ({
  verdict: holds ? 'pass' : 'fail',
  lacking: null,
});

function accuracyRule(set: 'union' | 'confirmations', sets: Sets<SetCounts>, { loss_percent }: GateLimits): Rule {
  const { n, old_correct, new_correct } = sets[set];
  const of = set === 'union' ? 'all held-out rows' : 'confirmations';
  return {
    name: `${set}_accuracy`,
    set,
    statement: `on ${of}, at most ${loss_percent} % of the rows lost net: 100 × (new − old correct) ≥ −${loss_percent} × rows`,
    value: 100 * (new_correct - old_correct),
    limit: n === 0 ? 0 : -loss_percent * n,
    ...passes(holdsAccuracy(sets[set], loss_percent)),
  };
}

function fixedRule({ fixed, broken }: SetCounts): Rule {
  const statement = 'on corrections, more rows fixed than broken';
  const name = 'corrections_fixed';
  return { name, set: 'corrections', statement, value: fixed, limit: broken, ...passes(fixed > broken) };
}

/** More fixed than broken, but so few that chance could have done it: more of the same would decide. */
function chanceRule({ n, fixed, broken, p }: SetCounts, { alpha }: GateLimits): Rule {
  const name = 'corrections_p';
  const statement = `on corrections, exact two-sided p of McNemar’s test at most ${alpha}`;
  const rule = { name, set: 'corrections', statement, value: p, limit: alpha } as const;
  if (fixed <= broken) return { ...rule, ...passes(false) };
  if (p <= alpha) return { ...rule, ...passes(true) };
  const times = timesUntilSignificant(fixed, broken, alpha);
  const rows = times === null ? null : Math.max(1, Math.ceil(n * times) - n);
  return { ...rule, verdict: 'undecided', lacking: { rows, pages: 0 } };
}

/**
 * The one-sided 95 % lower limit of new − old: by pages drawn again (bootstrap); exact where nothing broke, for there every
 * draw says that nothing can. Below the limit as a whole it fails, across it it is undecided.
 */
function lowerLimitRule(counts: SetCounts, limits: GateLimits): Rule {
  const { lower_limit: limit } = limits;
  const lower = lowerLimit(counts, limits);
  const rule = {
    name: 'confirmations_lower_limit',
    set: 'confirmations',
    statement: `on confirmations, one-sided 95 % lower limit of new − old at least ${String(limit).replace('-', '−')}`,
    value: lower,
    limit,
  } as const;
  if (lower !== null && lower >= limit) return { ...rule, ...passes(true) };
  if (counts.broken > 0 && counts.interval !== null && counts.interval.upper < limit)
    return { ...rule, ...passes(false) };
  return { ...rule, verdict: 'undecided', lacking: { rows: rowsLacking(counts, lower, limits), pages: 0 } };
}

/** Null when nothing can be said. */
export function lowerLimit({ n, broken, interval }: SetCounts, { alpha }: Pick<GateLimits, 'alpha'>): number | null {
  if (n === 0) return null;
  return broken === 0 ? -limitOfNone(n, alpha) : (interval?.lower ?? null);
}

/** An interval narrows with the root of the rows: n · (half-width now / half-width needed)² of them suffice. */
function rowsLacking({ n, old_correct, new_correct, broken }: SetCounts, lower: number | null, limits: GateLimits) {
  const { lower_limit, alpha } = limits;
  if (broken === 0) return Math.max(1, rowsForLimit(-lower_limit, alpha) - n);
  const difference = (new_correct - old_correct) / n;
  if (lower === null || difference <= lower_limit) return null;
  return Math.max(1, Math.ceil(n * ((difference - lower) / (difference - lower_limit)) ** 2) - n);
}
