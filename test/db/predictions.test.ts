import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import type { Database } from '../../src/db/database.js';
import { encodeCursor } from '../../src/db/cursor.js';
import { getPrediction, type ListOptions, listPredictions } from '../../src/db/predictions.js';
import type { NewPrediction } from '../../src/db/record.js';
import { openFor } from './fixtures/open.js';
import { prediction, predictions } from './fixtures/prediction.js';

const ADAPTER = { id: 'adapter-7', version: 'v3', digest: 'd'.repeat(64) };

async function openWith(t: Test, rows: readonly NewPrediction[]): Promise<Database> {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows });
  return db;
}

async function pairs(db: Database, options: ListOptions, random?: () => number): Promise<string[]> {
  return (await listPredictions(db.kysely, options, random)).items.map(({ pair_id }) => pair_id);
}

/** All pages of a walk, with `between` done after each. */
async function walk(db: Database, options: ListOptions, between?: (page: number) => Promise<unknown>) {
  const pages: string[][] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await listPredictions(db.kysely, { ...options, ...(cursor === undefined ? {} : { cursor }) });
    pages.push(page.items.map(({ pair_id }) => pair_id));
    cursor = page.next_cursor;
    await between?.(pages.length);
  }
  return pages;
}

t.test('a prediction reads as it was recorded', async (t) => {
  const full = prediction(1, { page_id: 'p7', adapter: ADAPTER, truncated: true, premise: 'Ünïcode 🙂', key_id: 'k1' });
  const plain = prediction(2);
  const db = await openWith(t, [full, plain]);
  const readable = ({ key_id: _, ...others }: NewPrediction) => ({ ...others, shadow: null });
  t.same(await getPrediction(db.kysely, full.id), readable(full));
  t.same(await getPrediction(db.kysely, plain.id), readable(plain));
  t.equal(await getPrediction(db.kysely, 'none'), null);
});

t.test('each text and each revision is stored once', async (t) => {
  const db = await openWith(t, predictions(0, 20, { premise: 'Same.', nli_hypothesis: 'Same.' }));
  await db.run('recordPredictions', { rows: predictions(20, 5, { adapter: ADAPTER, premise: 'Other.' }) });
  await db.run('recordPredictions', { rows: predictions(25, 5, { adapter: ADAPTER, premise: 'Same.' }) });
  const texts = await db.kysely.selectFrom('texts').selectAll().orderBy('id').execute();
  t.same(
    texts.map(({ text }) => text),
    ['Same.', 'Other.', 'A hypothesis.'],
  );
  const sha256 = createHash('sha256').update('Same.', 'utf8').digest();
  t.same(Buffer.from(texts[0]?.sha256 ?? []), sha256);
  t.equal((await db.kysely.selectFrom('revisions').selectAll().execute()).length, 2);
});

t.test('more rows than one statement takes are recorded, all or none', async (t) => {
  const rows = predictions(0, 2500);
  const db = await openWith(t, rows);
  const again = [...predictions(5000, 1500), prediction(17)];
  await t.rejects(db.run('recordPredictions', { rows: again }), {
    message: /UNIQUE constraint failed: predictions.id/,
  });
  t.equal((await db.kysely.selectFrom('predictions').select('seq').execute()).length, 2500);
  await db.run('recordPredictions', { rows: [] });
});

t.test('values that no column takes are refused', async (t) => {
  const db = await openFor(t);
  const bad: Partial<NewPrediction>[] = [
    { label: 'entailment' as 'supports' },
    { created_at: '2026-01-01' },
    { confidence: 'high' as unknown as number },
    { pair_id: null as unknown as string },
  ];
  for (const overrides of bad) {
    const recording = db.run('recordPredictions', { rows: [prediction(1, overrides)] });
    await t.rejects(recording, { name: 'Error', message: /constraint failed|cannot store/ }, JSON.stringify(overrides));
  }
});

const SCORES = { supports: 0.5, refutes: 0.25, neutral: 0.25 };
const CAST: NewPrediction[] = [
  prediction(1, { page_id: 'p1', confidence: 0.5, scores: SCORES, premise: 'Water boils at 100 °C' }),
  prediction(2, { page_id: 'p1', label: 'refutes', confidence: 0.8, adapter: ADAPTER }),
  prediction(3, { page_id: 'p2', label: 'neutral', confidence: 0.9, nli_hypothesis: 'ÉTUDE of 50%_done' }),
  prediction(4, {
    pair_id: 'pair-2',
    page_id: 'p2',
    adapter: { ...ADAPTER, id: 'adapter-8', version: 'v4', digest: 'e' },
  }),
];
const time = (number: number) => prediction(number).created_at;

const FILTERS: [ListOptions, string[]][] = [
  [{}, ['pair-2', 'pair-3', 'pair-2', 'pair-1']],
  [{ page_id: 'p1' }, ['pair-2', 'pair-1']],
  [{ page_id: 'none' }, []],
  [{ pair_id: 'pair-2' }, ['pair-2', 'pair-2']],
  [{ label: 'refutes' }, ['pair-2']],
  [{ min_confidence: 0.8 }, ['pair-3', 'pair-2']],
  [{ max_confidence: 0.5 }, ['pair-1']],
  [{ min_confidence: 0.6, max_confidence: 0.8 }, ['pair-2', 'pair-2']],
  [{ adapter: 'base' }, ['pair-3', 'pair-1']],
  [{ adapter: 'v3' }, ['pair-2']],
  [{ adapter: 'adapter-8' }, ['pair-2']],
  [{ adapter: ADAPTER.digest }, ['pair-2']],
  [{ adapter: 'v9' }, []],
  [{ since: time(3) }, ['pair-2', 'pair-3']],
  [{ until: time(3) }, ['pair-2', 'pair-1']],
  [{ since: time(2), until: time(3) }, ['pair-2']],
  [{ since: '2026-01-01T01:00:00.003+01:00' }, ['pair-2', 'pair-3']],
  [{ text: 'BOILS' }, ['pair-1']],
  [{ text: 'étude' }, ['pair-3']],
  [{ text: 'e\u0301tude' }, ['pair-3']],
  [{ text: '50%_' }, ['pair-3']],
  [{ text: '0%d' }, []],
  [{ text: '_0' }, []],
  [{ text: 'a hypothesis' }, ['pair-2', 'pair-2', 'pair-1']],
  [{ text: 'premise', page_id: 'p1' }, ['pair-2']],
  [{ review: 'wanted' }, ['pair-1', 'pair-2', 'pair-3', 'pair-2']],
  [{ review: 'wanted', label: 'supports' }, ['pair-1', 'pair-2']],
  [{ limit: 1 }, ['pair-2']],
];

t.test('filters', async (t) => {
  const db = await openWith(t, CAST);
  for (const [filter, wanted] of FILTERS) {
    t.same(await pairs(db, filter), wanted, JSON.stringify(filter));
    const drawn = await pairs(db, { ...filter, review: 'random', limit: 200 });
    if (filter.limit === undefined) t.same(drawn.sort(), wanted.toSorted(), 'a random draw has the same rows');
  }
});

t.test('what is no cursor, limit or time is named', async (t) => {
  const db = await openWith(t, predictions(0, 3));
  const { next_cursor } = await listPredictions(db.kysely, { limit: 1 });
  const cursors = ['', 'x', '%%%', encodeCursor([]), encodeCursor([1]), encodeCursor([1, 2]), `${next_cursor}A`];
  const bad: [string, ListOptions][] = [
    ...cursors.map((cursor): [string, ListOptions] => ['cursor', { cursor }]),
    ['cursor', { cursor: next_cursor ?? '', review: 'wanted' }],
    ['cursor', { cursor: next_cursor ?? '', review: 'random' }],
    ...[0, 201, 1.5, Number.NaN].map((limit): [string, ListOptions] => ['limit', { limit }]),
    ['since', { since: 'yesterday' }],
    ['until', { until: '2026-13-01' }],
  ];
  for (const [pointer, options] of bad) {
    const wanted = { code: 'invalid-request', errors: [{ pointer }] };
    await t.rejects(listPredictions(db.kysely, options), wanted, JSON.stringify(options));
  }
});

t.test('a walk meets all that was there at its start once, whatever is recorded meanwhile', async (t) => {
  const sameTime = { created_at: prediction(0).created_at };
  const db = await openWith(t, [...predictions(0, 10, sameTime), ...predictions(10, 10)]);
  const insertNewer = (page: number) => db.run('recordPredictions', { rows: [prediction(1000 + page)] });
  const newestFirst = predictions(0, 20)
    .map(({ pair_id }) => pair_id)
    .toReversed();
  const pages = await walk(db, { limit: 3 }, insertNewer);
  t.same(pages.flat(), newestFirst);
  t.same(
    pages.map(({ length }) => length),
    [3, 3, 3, 3, 3, 3, 2],
  );
  t.equal(new Set((await walk(db, { limit: 3, review: 'wanted' })).flat()).size, 27);
  t.same((await walk(db, { limit: 27 })).length, 1, 'a full last page has no cursor');
});

t.test('a text is found behind many that lack it', async (t) => {
  const db = await openWith(t, [prediction(0, { premise: 'A needle.' }), prediction(1, { premise: 'Needles.' })]);
  for (let from = 10; from < 25_000; from += 5000) {
    await db.run('recordPredictions', { rows: predictions(from, 5000, { premise: 'Hay.' }) });
  }
  t.same(await walk(db, { text: 'NEEDLE', limit: 1 }), [['pair-1'], ['pair-0']]);
  t.same(await pairs(db, { text: 'needle', review: 'wanted' }), ['pair-0', 'pair-1']);
});

/** A known generator (mulberry32), so that the draws below are always the same ones. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

t.test('a random draw is uniform: every row as often, every pair of neighbours as often', async (t) => {
  const db = await openWith(t, predictions(0, 40));
  const random = seeded(1);
  const draws = 800;
  const seen = Array.from({ length: 40 }, () => 0);
  let neighbours = 0;
  for (let i = 0; i < draws; i++) {
    const drawn = (await pairs(db, { review: 'random', limit: 10 }, random)).map((pair) => Number(pair.slice(5)));
    for (const row of drawn) seen[row] = (seen[row] ?? 0) + 1;
    neighbours += drawn.filter((row) => drawn.includes(row + 1)).length;
  }
  const expected = (draws * 10) / 40;
  const chiSquare = seen.reduce((sum, count) => sum + (count - expected) ** 2 / (expected * 0.75), 0);
  t.ok(chiSquare < 66, `chi-square ${chiSquare} with 39 degrees of freedom, 66 at p = 0.005`);
  const wanted = draws * 39 * ((10 * 9) / (40 * 39));
  t.ok(Math.abs(neighbours - wanted) < 0.1 * wanted, `${neighbours} neighbours drawn together of ${wanted} expected`);
});

t.test('the same random numbers draw the same rows', async (t) => {
  const db = await openWith(t, predictions(0, 100));
  const draw = (seed: number) => pairs(db, { review: 'random', limit: 20 }, seeded(seed));
  t.same(await draw(5), await draw(5));
  t.not((await draw(5)).join(), (await draw(6)).join());
});
