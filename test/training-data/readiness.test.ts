/** What an operator is told before a run: what it would train on, what is left out and why, what the gate lacks. */
import t from 'tap';
import { GATE } from '../../src/evaluation/gate.js';
import { readiness } from '../../src/training-data/readiness.js';
import { learn } from '../support/learn.js';
import { get, post } from '../support/serve.js';
import { correction, corrections, ready, store } from './fixtures/corrections.js';

t.test('nothing yet', async (t) => {
  const { url } = await learn(t);
  t.match(await ready(url), {
    ready: false,
    usable: 0,
    new_since_last_run: 0,
    warnings: ['there is nothing to train on yet'],
    left_out: { counts: {}, items: [] },
  });
});

t.test('each correction that is left out has its reason', async (t) => {
  const { url } = await learn(t);
  const said = [
    correction(0),
    correction(1, { original_confidence: 0.8 }),
    correction(2, { original_label: 'supports', correct_label: 'supports' }),
    correction(3, { reviewer: 'ada', correct_label: 'refutes' }),
    correction(3, { reviewer: 'bob', correct_label: 'neutral' }),
    correction(4, { page_id: 'page-a' }),
    correction(4, { page_id: 'page-b' }),
    correction(5),
  ];
  const ids = await store(url, said);
  await post(`${url}/corrections/${ids[7]}/withdraw`, '');
  const { usable, confirmations, left_out } = await ready(url);
  t.equal(usable, 2);
  t.equal(confirmations, 1);
  t.strictSame(
    Object.fromEntries(left_out.items.map(({ correction_id, reason }) => [ids.indexOf(correction_id), reason])),
    { 1: 'low_confidence', 2: 'confirmation', 3: 'conflict', 4: 'conflict', 5: 'duplicate', 7: 'withdrawn' },
  );
  t.match(left_out.counts, { conflict: 2, duplicate: 1 });
});

t.test('a tenth of the reviews in conflict: the rest is usable', async (t) => {
  const { url } = await learn(t);
  await store(url, corrections(0, 100, { reviewer: 'ada', correct_label: 'refutes' }));
  await store(url, corrections(0, 10, { reviewer: 'bob', correct_label: 'neutral' }));
  const { usable, left_out } = await ready(url);
  t.equal(usable, 90);
  t.strictSame(left_out.counts, { conflict: 20 });
});

t.test('a hundred usable corrections are ready, and what was trained on is not new', async (t) => {
  const { url, trained } = await learn(t);
  const ids = await store(url, corrections(0, 100));
  for (const id of ids.slice(0, 70)) trained.add(id);
  const report = await ready(url);
  t.match(report, { ready: true, usable: 100, new_since_last_run: 30, warnings: [] });
  t.equal(report.split.train.pages + report.split.validation.pages, 100);
  const { supports, refutes, neutral } = report.split.validation.corrections;
  t.strictSame([supports, refutes, neutral], [7, 7, 7], 'a fifth of 33 or 34 each');
  t.strictSame(
    report.split.label_shares.map(({ within }) => within),
    [true, true, true],
  );
  t.match(report.gate_needs, { corrections: 0, correction_pages: 0, confirmations: 59, confirmations_to_collect: 295 });
  t.match(await ready(url, '?min_corrections=101&min_confidence=0.95'), { ready: false, usable: 0 });
  t.equal((await get(`${url}/training-runs/readiness?min_confidence=2`)).status, 400);
});

t.test('the recipe and the gate in force decide what is enough', async (t) => {
  const { url, database } = await learn(t);
  await store(url, corrections(0, 60));
  const parts = { database, trained: async () => new Set<string>() };
  const recipe = { min_corrections: 50, min_confidence: 0.85 };
  const gate = { ...GATE, least_rows: 200, least_pages: 40, lower_limit: -0.01 };
  const report = await readiness({ ...parts, recipe, gate });
  t.match(report, { ready: true, ...recipe });
  const { corrections: held, pages } = {
    ...report.split.validation,
    corrections: report.split.validation.corrections.total,
  };
  t.match(report.gate_needs, { corrections: 200 - held, correction_pages: 40 - pages, confirmations: 299 });
  t.match((await readiness({ ...parts, recipe, gate: { ...gate, lower_limit: 0 } })).gate_needs, {
    confirmations: 200,
  });
  t.match(await readiness({ ...parts, recipe, gate }, { min_confidence: 0.95 }), { ready: false, usable: 0 });
});

t.test('one page holds everything: trained on, and the report says that nothing is held out', async (t) => {
  const { url } = await learn(t);
  await store(url, corrections(0, 30, { page_id: 'one' }));
  const { split, warnings } = await ready(url);
  t.match(split, { train: { pages: 1, corrections: { total: 30 } }, validation: { pages: 0 } });
  t.match(warnings, [/validation side is empty.*one page holds everything/]);
});

t.test('a class is missing: it is warned of', async (t) => {
  const { url } = await learn(t);
  await store(url, corrections(0, 60, { correct_label: 'refutes' }));
  const { warnings } = await ready(url);
  t.match(warnings, [/^supports: 0 corrections/, /^neutral: 0 corrections/]);
});

t.test('pages that allow no even split: the shares that are apart are told', async (t) => {
  const { url } = await learn(t);
  const large = [
    ...corrections(0, 40, { page_id: 'a', correct_label: 'refutes' }),
    ...corrections(40, 40, { page_id: 'b', correct_label: 'neutral' }),
  ];
  await store(url, [...large, ...corrections(80, 12, { correct_label: 'supports' })]);
  const { split, warnings } = await ready(url);
  const apart = split.label_shares.filter(({ within }) => !within);
  t.not(apart.length, 0);
  for (const { label } of apart)
    t.ok(warnings.some((warning) => warning.startsWith(`${label}: `) && /whole pages/.test(warning)));
});
