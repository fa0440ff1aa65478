import t from 'tap';
import {
  decide,
  GATE,
  recommendsDeploy,
  type RuleVerdict,
  type SetCounts,
  type Verdict,
} from '../../src/evaluation/gate.js';
import { exactP } from '../../src/evaluation/mcnemar.js';

interface Given extends Partial<SetCounts> {
  readonly fixed?: number;
  readonly broken?: number;
}

/** `n` rows of as many pages, all right with the old adapter but those to be fixed. */
function counts({ n = 100, fixed = 0, broken = 0, ...others }: Given): SetCounts {
  const old_correct = others.old_correct ?? n - fixed;
  const change = (fixed - broken) / Math.max(1, n);
  const interval = { lower: change - 0.02, upper: change + 0.02 };
  const p = exactP(fixed, broken);
  return { n, pages: n, old_correct, new_correct: old_correct + fixed - broken, fixed, broken, p, interval, ...others };
}

const GOOD = { fixed: 20, broken: 2, old_correct: 5 };
const KEPT = { fixed: 0, broken: 0 };

function judge(corrections: Given, confirmations: Given, union?: Given) {
  const [a, b] = [counts(corrections), counts(confirmations)];
  const both = union === undefined ? {} : union;
  const sum = (key: 'n' | 'fixed' | 'broken' | 'old_correct'): number => a[key] + b[key];
  const whole = counts({
    n: sum('n'),
    fixed: sum('fixed'),
    broken: sum('broken'),
    old_correct: sum('old_correct'),
    ...both,
  });
  return decide({ corrections: a, confirmations: b, union: whole });
}

/** What, corrections, confirmations, verdict, and each rule that does not hold. */
const CASES: [string, Given, Given, Verdict, Record<string, RuleVerdict>][] = [
  ['much fixed, nothing forgotten', GOOD, KEPT, 'recommend', {}],
  [
    'nothing changes',
    { old_correct: 5 },
    KEPT,
    'do_not_recommend',
    { corrections_fixed: 'fail', corrections_p: 'fail' },
  ],
  [
    'as many broken as fixed',
    { fixed: 9, broken: 9, old_correct: 50 },
    KEPT,
    'do_not_recommend',
    { corrections_fixed: 'fail', corrections_p: 'fail' },
  ],
  [
    'more fixed, but by chance',
    { fixed: 5, broken: 1, old_correct: 5 },
    KEPT,
    'not_enough_data',
    { corrections_p: 'undecided' },
  ],
  [
    'five fixed and none broken have p = 0.0625',
    { fixed: 5, old_correct: 5 },
    KEPT,
    'not_enough_data',
    { corrections_p: 'undecided' },
  ],
  ['six fixed and none broken have p = 0.031', { fixed: 6, old_correct: 5 }, KEPT, 'recommend', {}],
  ['exactly two of a hundred forgotten', GOOD, { broken: 2 }, 'recommend', {}],
  ['three of a hundred forgotten', GOOD, { broken: 3 }, 'do_not_recommend', { confirmations_accuracy: 'fail' }],
  [
    'the lower limit is across −0.05',
    GOOD,
    { broken: 1, interval: { lower: -0.0501, upper: 0.01 } },
    'not_enough_data',
    { confirmations_lower_limit: 'undecided' },
  ],
  ['the lower limit is −0.05 itself', GOOD, { broken: 1, interval: { lower: -0.05, upper: 0.01 } }, 'recommend', {}],
  [
    'ten of a hundred forgotten, for sure',
    GOOD,
    { broken: 10, interval: { lower: -0.15, upper: -0.0501 } },
    'do_not_recommend',
    { confirmations_accuracy: 'fail', confirmations_lower_limit: 'fail' },
  ],
  ['nothing broken of 59', GOOD, { n: 59 }, 'recommend', {}],
  [
    'nothing broken of 58, whatever the bootstrap says',
    GOOD,
    { n: 58, interval: { lower: 0, upper: 0 } },
    'not_enough_data',
    { confirmations_lower_limit: 'undecided' },
  ],
  [
    '19 corrections',
    { ...GOOD, n: 19, fixed: 12, old_correct: 5 },
    KEPT,
    'not_enough_data',
    { corrections_rows: 'undecided' },
  ],
  ['20 corrections of 10 pages', { ...GOOD, n: 20, pages: 10, fixed: 12, broken: 1 }, KEPT, 'recommend', {}],
  ['corrections of 9 pages', { ...GOOD, pages: 9 }, KEPT, 'not_enough_data', { corrections_pages: 'undecided' }],
  ['confirmations of 9 pages', GOOD, { pages: 9 }, 'not_enough_data', { confirmations_pages: 'undecided' }],
  [
    'no confirmations at all',
    GOOD,
    { n: 0, pages: 0, interval: null },
    'not_enough_data',
    { confirmations_rows: 'undecided', confirmations_pages: 'undecided', confirmations_lower_limit: 'undecided' },
  ],
  [
    'too few rows refuse nothing, even when all of them broke',
    { n: 5, pages: 5, broken: 5 },
    KEPT,
    'not_enough_data',
    {
      corrections_rows: 'undecided',
      corrections_pages: 'undecided',
      union_accuracy: 'fail',
      corrections_fixed: 'fail',
      corrections_p: 'fail',
    },
  ],
];

t.test('verdicts', async (t) => {
  for (const [what, corrections, confirmations, verdict, open] of CASES) {
    const decision = judge(corrections, confirmations);
    t.equal(decision.verdict, verdict, what);
    const others = decision.rules.filter((rule) => rule.verdict !== 'pass').map((rule) => [rule.name, rule.verdict]);
    t.same(Object.fromEntries(others), open, what);
    t.equal(decision.lacking === null, verdict !== 'not_enough_data', what);
  }
});

t.test('every rule has its value and limit', async (t) => {
  const { rules } = judge(GOOD, { broken: 1, interval: { lower: -0.03, upper: 0 } });
  t.same(
    rules.map(({ name, value, limit }) => [name, value, limit]),
    [
      ['corrections_rows', 100, 20],
      ['corrections_pages', 100, 10],
      ['confirmations_rows', 100, 20],
      ['confirmations_pages', 100, 10],
      ['union_accuracy', 1700, -400],
      ['corrections_fixed', 20, 2],
      ['corrections_p', exactP(20, 2), 0.05],
      ['confirmations_accuracy', -100, -200],
      ['confirmations_lower_limit', -0.03, -0.05],
    ],
  );
});

t.test('exact ties are decided on counts, where floating point fails them', async (t) => {
  t.notOk(149 / 300 >= 155 / 300 - 0.02, 'as fractions of one');
  t.ok(recommendsDeploy(counts({ n: 300, old_correct: 155, fixed: 0, broken: 6 })), '−6 of 300 is exactly −2 %');
  t.notOk(recommendsDeploy(counts({ n: 300, old_correct: 155, fixed: 0, broken: 7 })));
  t.notOk(recommendsDeploy(counts({ n: 299, old_correct: 155, fixed: 0, broken: 6 })));
  t.notOk(recommendsDeploy(counts({ n: 0 })), 'no rows recommend nothing');
});

/** What, corrections, confirmations, and the held-out rows that would decide it. */
const LACKING: [string, Given, Given, (number | null)[]][] = [
  ['nothing broken of 40: 59 are needed', GOOD, { n: 40 }, [0, 19]],
  ['20 rows are needed of each', { n: 3, fixed: 3 }, { n: 59 }, [17, 0]],
  ['6 fixed against 2 need two and a half times as many', { n: 40, fixed: 6, broken: 2 }, { n: 59 }, [60, 0]],
  // A lower limit 0.04 below −0.02 has to come to 0.03 below it: (4 / 3)² as many rows.
  [
    'an interval narrows with the root',
    GOOD,
    { n: 90, broken: 2, old_correct: 90, new_correct: 88.2, interval: { lower: -0.06, upper: 0 } },
    [0, 70],
  ],
];

t.test('it says how many more held-out reviews would decide', async (t) => {
  for (const [what, corrections, confirmations, rows] of LACKING) {
    const { lacking } = judge(corrections, confirmations);
    const found = [lacking?.corrections.rows, lacking?.confirmations.rows];
    for (const [at, wanted] of rows.entries())
      t.ok(Math.abs((found[at] ?? -99) - (wanted ?? 0)) <= 1, `${what}: ${JSON.stringify(found)}`);
  }
});

t.test('limits can be set', async (t) => {
  const sets = {
    corrections: counts(GOOD),
    confirmations: counts({ broken: 3 }),
    union: counts({ n: 200, ...GOOD, broken: 5 }),
  };
  t.equal(decide(sets, GATE).verdict, 'do_not_recommend');
  t.equal(decide(sets, { ...GATE, loss_percent: 3 }).verdict, 'recommend');
  t.equal(decide(sets, { ...GATE, loss_percent: 3, least_rows: 101 }).verdict, 'not_enough_data');
  t.equal(decide(sets, { ...GATE, loss_percent: 3, alpha: 1e-9 }).verdict, 'not_enough_data');
});
