import t from 'tap';
import { BOOTSTRAP } from '../../src/evaluation/bootstrap.js';
import { MOST_FLIPS } from '../../src/evaluation/flips.js';
import { GATE } from '../../src/evaluation/gate.js';
import type { JudgedRow } from '../../src/evaluation/judged.js';
import { withoutLeaks } from '../../src/evaluation/leaks.js';
import { evaluate } from '../../src/evaluation/report.js';
import { answer, review, reviews } from './reviews.js';

const of = (rows: readonly JudgedRow[]) =>
  evaluate(rows, { limits: GATE, bootstrap: { ...BOOTSTRAP, replicates: 999 } });

const CONFIRMED = { kind: 'confirmation', from: 1000 } as const;

t.test('three sets, their counts, and the three keys over the union', async (t) => {
  const report = await of([
    ...reviews({ fixed: 15, broken: 1, wrong: 9 }),
    ...reviews({ kept: 70, broken: 1 }, CONFIRMED),
  ]);
  const { corrections, confirmations, union } = report.sets;
  t.match(corrections, {
    n: 25,
    pages: 25,
    old: { correct: 1 },
    new: { correct: 15 },
    mcnemar: { fixed: 15, broken: 1 },
  });
  t.match(confirmations, {
    n: 71,
    old: { correct: 71, accuracy: 1 },
    new: { correct: 70 },
    difference: { value: -1 / 71 },
  });
  t.match(union, { n: 96, mcnemar: { fixed: 15, broken: 2 }, labels: { supports: 96, refutes: 0 } });
  t.equal(report.old_accuracy, 72 / 96);
  t.equal(report.new_accuracy, 85 / 96);
  t.equal(report.recommend_deploy, true);
  t.equal(report.verdict, 'recommend');
  t.ok(Math.abs((union.old.ece ?? 0) - 0.15) < 1e-12, '0.9 sure and 0.75 right');
  t.equal(union.old.confident_errors, 24);
});

t.test('the order of the rows changes nothing', async (t) => {
  const rows = [...reviews({ fixed: 5, broken: 3, wrong: 4 }), ...reviews({ kept: 20, broken: 1 }, CONFIRMED)];
  const paged = rows.map((row, at) => ({ ...row, group_key: `page:${at % 7}` }));
  t.same(await of(paged.toReversed()), await of(paged));
});

t.test('where nothing broke the limit is exact; where something did it is the bootstrap', async (t) => {
  const none = (await of(reviews({ kept: 59 }, CONFIRMED))).sets.confirmations.difference;
  t.same(none.interval, { low: 0, high: 0, lower: 0, upper: 0 });
  t.ok(Math.abs((none.lower_limit ?? 0) + 0.049507609888227) < 1e-12);
  const some = (await of(reviews({ kept: 58, broken: 2 }, CONFIRMED))).sets.confirmations.difference;
  t.equal(some.lower_limit, some.interval?.lower);
});

t.test('rows of a premise without a page count as one page', async (t) => {
  const rows = reviews({ wrong: 4 }, { page_id: null, group_key: 'premise:a' });
  t.match((await of(rows)).sets.union, { n: 4, pages: 1, difference: { interval: null } });
});

t.test('no rows at all are a report without figures that recommends nothing', async (t) => {
  const report = await of([]);
  t.match(report, { old_accuracy: null, new_accuracy: null, recommend_deploy: false, verdict: 'not_enough_data' });
  t.match(report.sets.union.old, { accuracy: null, macro_f1: null, log_loss: null, brier: null, ece: null });
});

t.test('calibration speaks for traffic only when every row came from a random review', async (t) => {
  const random = reviews({ kept: 3 }, { review_source: 'random' });
  t.equal((await of(random)).basis, 'a random review');
  t.equal((await of([...random, review(50, 'kept')])).basis, 'reviewed rows, not traffic');
});

t.test('flips: the surest first, long texts cut between characters, no more than are kept', async (t) => {
  const sure = review(1, 'broken', { new: answer([0.01, 0.01, 0.98]), premise: `${'a'.repeat(1999)}😀 tail` });
  const { flips } = await of([review(0, 'broken'), sure, review(2, 'kept'), review(3, 'fixed')]);
  t.same(
    flips.broken.map(({ correction_id }) => correction_id),
    ['c-00001', 'c-00000'],
  );
  t.equal(flips.broken[0]?.premise, `${'a'.repeat(1999)}…`);
  t.match(flips.fixed, [{ correction_id: 'c-00003', old: { label: 'refutes' }, new: { label: 'supports' } }]);
  const many = await of(reviews({ broken: MOST_FLIPS + 5 }));
  t.equal(many.flips.broken.length, MOST_FLIPS);
  t.equal(many.sets.union.mcnemar.broken, MOST_FLIPS + 5);
});

t.test('held-out rows that the training side knows are found by page, text or nearly equal text', async (t) => {
  const long = Array.from({ length: 60 }, (_, word) => `word${word}`).join(' ');
  const held = [
    review(1, 'kept'),
    review(2, 'kept', { group_key: 'page:trained' }),
    review(3, 'kept', { premise: 'The  SAME text', nli_hypothesis: 'as there.' }),
    review(4, 'kept', { premise: long }),
    review(5, 'kept', { premise: 'The same text', nli_hypothesis: 'but another claim of it.' }),
  ];
  const trained = [
    review(10, 'kept', { group_key: 'page:trained' }),
    review(11, 'kept', { premise: 'the same text', nli_hypothesis: 'As there.' }),
    review(12, 'kept', { premise: `${long} more`, nli_hypothesis: 'Hypothesis 4.' }),
  ];
  const { rows, check } = await withoutLeaks(held, trained);
  t.same(
    rows.map(({ correction_id }) => correction_id),
    ['c-00001', 'c-00005'],
  );
  t.same(check, { training_rows: 3, same_page: 1, same_text: 1, near_text: 1 });
});
