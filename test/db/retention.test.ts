import { statSync } from 'node:fs';
import t from 'tap';
import { keepRetention, sweepAll } from '../../src/db/retention.js';
import { fileIn, openFor } from './fixtures/open.js';
import { prediction, predictions } from './fixtures/prediction.js';
import type { Database } from '../../src/db/database.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const MOVE = { adapter_id: null, act: 'promote', comparison_id: null, forced: 1, actor: 'tester' } as const;
const START = Date.parse(prediction(0).created_at);
const count = async (db: Database, table: 'predictions' | 'texts') =>
  (await db.kysely.selectFrom(table).select('id').execute()).length;

t.test('predictions past their days go, with the texts that only they used', async (t) => {
  const db = await openFor(t);
  const later = { created_at: new Date(START + 2 * DAY).toISOString() };
  await db.run('recordPredictions', {
    rows: [...predictions(0, 500), prediction(600, { premise: 'Premise 3.', ...later })],
  });
  const clock = () => START + 31 * DAY;
  t.match(await sweepAll(db, { maxBytes: 1e9, clock }), { deleted: 500 });
  const { items } = await db.kysely
    .selectFrom('texts')
    .select('text')
    .execute()
    .then((rows) => ({ items: rows }));
  t.same(items.map(({ text }) => text).sort(), ['A hypothesis.', 'Premise 3.']);
  t.match(await sweepAll(db, { maxBytes: 1e9, clock }), { deleted: 0 });
  t.equal(await count(db, 'predictions'), 1);
});

t.test('a prediction of exactly that age stays', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: [prediction(0)] });
  t.match(await sweepAll(db, { days: 1, maxBytes: 1e9, clock: () => START + DAY }), { deleted: 0 });
  t.match(await sweepAll(db, { days: 1, maxBytes: 1e9, clock: () => START + DAY + 1 }), { deleted: 1 });
});

t.test('over the size cap the oldest go, and the file shrinks', async (t) => {
  const file = fileIn(t);
  const db = await openFor(t, file);
  const long = predictions(0, 2000).map((row) => ({ ...row, premise: row.premise.padEnd(4000, '.') }));
  await db.run('recordPredictions', { rows: long });
  const maxBytes = 4_000_000;
  const { deleted, beyond } = await sweepAll(db, { maxBytes, clock: () => START + HOUR + 10_000 });
  t.equal(beyond, 0);
  const left = await db.kysely.selectFrom('predictions').select('pair_id').orderBy('seq').execute();
  t.equal(left.length, 2000 - deleted);
  t.ok(left.length > 500, `${left.length} stay`);
  t.equal(left.at(-1)?.pair_id, 'pair-1999', 'the newest stay');
  t.equal(await count(db, 'texts'), left.length + 1);
  await db.close();
  // Beside the judgements there are the empty tables of everything else.
  t.ok(statSync(file).size <= maxBytes + 1_000_000, `${statSync(file).size} bytes`);
});

t.test('a cap below an empty database leaves nothing, and ends', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 300) });
  t.match(await sweepAll(db, { maxBytes: 0, clock: () => START + HOUR + 10_000 }), { deleted: 300 });
});

t.test('the judgements of the last hour stay however full it is, and that is told', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 300) });
  const { deleted, beyond } = await sweepAll(db, { maxBytes: 0, clock: () => START + HOUR });
  t.equal(deleted, 0);
  t.ok(beyond > 0);
  const warned = new Promise((resolve) => {
    const log = { info: () => undefined, error: () => undefined, warn: resolve };
    t.teardown(keepRetention(db, { maxBytes: 0, everyMs: 1e6, clock: () => START + HOUR, log }));
  });
  t.match(await warned, { beyond: Number });
});

t.test('what other tables take is not taken from the judgements', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 300) });
  const at = new Date(START).toISOString();
  for (let n = 0; n < 20; n += 1)
    await db.run('moveAlias', { ...MOVE, at, reason: 'x'.repeat(100_000), expected_seq: n });
  t.match(await sweepAll(db, { maxBytes: 1_000_000, clock: () => START + 2 * HOUR }), { deleted: 0, beyond: 0 });
});

t.test('between two sweeps of a round other units get their turn', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 3000) });
  let swept = false;
  const round = sweepAll(db, { days: 0, maxBytes: 1e9, clock: () => START + 10_000 }).then(() => (swept = true));
  await db.run('recordPredictions', {
    rows: [prediction(9000, { created_at: new Date(START + 20_000).toISOString() })],
  });
  t.notOk(swept);
  await round;
  t.equal(await count(db, 'predictions'), 1);
});

t.test('rounds follow each other until stopped, also after one that failed', async (t) => {
  const swept: object[] = [];
  let fail = true;
  const run = async (_: string, input: object) => {
    swept.push(input);
    if (fail) throw new Error('no space');
    return { deleted: 1, bytes: 0, done: true };
  };
  const { kysely } = await openFor(t);
  const told: string[] = [];
  const log = {
    info: (_: object, message: string) => told.push(message),
    error: (_: object, message: string) => told.push(message),
    warn: (_: object, message: string) => told.push(message),
  };
  const stop = keepRetention(
    { run: run as unknown as Database['run'], kysely },
    { maxBytes: 1, everyMs: 1, clock: () => START, log },
  );
  while (swept.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  fail = false;
  while (!told.includes('old predictions are forgotten')) await new Promise((resolve) => setTimeout(resolve, 1));
  await stop();
  const before = swept.length;
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(swept.length, before);
  t.equal(told[0], 'old predictions could not be forgotten');
});
