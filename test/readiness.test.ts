import t from 'tap';
import type { Readiness } from '../schemas/readiness.js';
import { GATE } from '../src/evaluation/gate.js';
import { prepareTrainingData } from '../src/prepare.js';
import { readiness } from '../src/readiness.js';
import { contractFault } from './support/contract.js';
import { learn, results } from './support/learn.js';
import { get, post } from './support/serve.js';

const WORDS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta', 'iota', 'kappa'];
/** Texts that are far from each other. */
const premise = (number: number): string =>
  Array.from({ length: 12 }, (_, at) => `${WORDS[(number * 7 + at) % 10]}${number}`).join(' ');
const LABELS = ['refutes', 'neutral', 'supports'] as const;

interface Said {
  readonly page_id?: string;
  readonly correct_label?: string;
  readonly original_label?: string;
  readonly original_confidence?: number;
  readonly reviewer?: string;
  readonly premise?: string;
}

function correction(number: number, said: Said = {}) {
  const correct_label = said.correct_label ?? LABELS[number % 3] ?? '';
  const original_label = correct_label === 'supports' ? 'neutral' : 'supports';
  const pair = { premise: premise(number), nli_hypothesis: `Claim ${number}.`, page_id: `page-${number}` };
  return { ...pair, original_label, original_confidence: 0.9, ...said, correct_label };
}

const corrections = (from: number, count: number, said: Said = {}) =>
  Array.from({ length: count }, (_, at) => correction(from + at, said));

async function store(url: string, all: readonly object[]): Promise<string[]> {
  const answer = await post(`${url}/corrections`, { corrections: all });
  return results(answer).map(({ correction: one, error }) => {
    if (one === null) throw new Error(error?.detail);
    return one.id;
  });
}

async function ready(url: string, query = ''): Promise<Readiness> {
  const answer = await get(`${url}/training-runs/readiness${query}`);
  const fault = contractFault('getReadiness', answer);
  if (fault !== undefined) throw new Error(fault);
  return answer.body as Readiness;
}

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

t.test('asking decides nothing; preparing does, for ever', async (t) => {
  const { url, database } = await learn(t);
  await store(url, corrections(0, 50));
  await ready(url);
  const decided = () =>
    database.kysely.selectFrom('page_sides').select(['group_key', 'side']).orderBy('group_key').execute();
  t.strictSame(await decided(), []);
  const [first, twin] = await Promise.all([prepareTrainingData(database), prepareTrainingData(database)]);
  t.strictSame(twin.rows, first.rows);
  const before = await decided();
  t.equal(before.length, 50);
  await store(url, corrections(50, 150, { correct_label: 'neutral' }));
  const { rows } = await prepareTrainingData(database);
  const sides = new Map((await decided()).map(({ group_key, side }) => [group_key, side]));
  for (const { group_key, side } of before) t.equal(sides.get(group_key), side);
  for (const { group_key, side } of rows) t.equal(side, sides.get(group_key));
});

t.test('rows without a page are grouped by their premise', async (t) => {
  const { url, database } = await learn(t);
  const same = { ...correction(0), page_id: null };
  await store(url, [same, { ...same, premise: ` ${premise(0).toUpperCase()}`, nli_hypothesis: 'Another claim.' }]);
  const { rows } = await prepareTrainingData(database);
  t.equal(new Set(rows.map(({ group_key }) => group_key)).size, 1);
});

t.test('held-out rows whose text is nearly one of the training side leave, and are named', async (t) => {
  const { url, database } = await learn(t);
  const long = (number: number): string => [0, 1, 2, 3, 4].map((part) => premise(number + 1000 * part)).join(' ');
  const twins = Array.from({ length: 40 }, (_, at) => [
    correction(at, { premise: long(at), page_id: `left-${at}` }),
    { ...correction(at, { premise: `${long(at)} indeed`, page_id: `right-${at}` }), nli_hypothesis: `Claim ${at}.` },
  ]).flat();
  await store(url, twins);
  const { rows, left_out } = await prepareTrainingData(database);
  const leaks = left_out.filter(({ reason }) => reason === 'near_duplicate_across_sides');
  t.not(leaks.length, 0);
  t.equal(rows.length + leaks.length, 80);
  const held = rows.filter(({ side }) => side === 'validation');
  for (const { page_id } of held) {
    const twin = page_id?.replace(/left|right/, (word) => (word === 'left' ? 'right' : 'left'));
    t.notOk(
      rows.some((row) => row.page_id === twin && row.side === 'train'),
      `${page_id} is held out and ${twin} trained on`,
    );
  }
});

t.test('what a run excludes is left out', async (t) => {
  const { url, database } = await learn(t);
  const [id = ''] = await store(url, corrections(0, 3));
  const { rows, left_out } = await prepareTrainingData(database, { exclude: [id], min_confidence: 0.5 });
  t.equal(rows.length, 2);
  t.strictSame(left_out, [{ correction_id: id, reason: 'excluded' }]);
});
