import { statSync } from 'node:fs';
import t from 'tap';
import { keepRetention, sweepAll } from '../../src/db/retention.js';
import { fileIn, openFor } from './fixtures/open.js';
import { prediction, predictions } from './fixtures/prediction.js';
import type { Database } from '../../src/db/database.js';

const DAY = 86_400_000;
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
  t.equal(await sweepAll(db, { maxBytes: 1e9, clock }), 500);
  const { items } = await db.kysely
    .selectFrom('texts')
    .select('text')
    .execute()
    .then((rows) => ({ items: rows }));
  t.same(items.map(({ text }) => text).sort(), ['A hypothesis.', 'Premise 3.']);
  t.equal(await sweepAll(db, { maxBytes: 1e9, clock }), 0);
  t.equal(await count(db, 'predictions'), 1);
});

t.test('a prediction of exactly that age stays', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: [prediction(0)] });
  t.equal(await sweepAll(db, { days: 1, maxBytes: 1e9, clock: () => START + DAY }), 0);
  t.equal(await sweepAll(db, { days: 1, maxBytes: 1e9, clock: () => START + DAY + 1 }), 1);
});

t.test('over the size cap the oldest go, and the file shrinks', async (t) => {
  const file = fileIn(t);
  const db = await openFor(t, file);
  const long = predictions(0, 2000).map((row) => ({ ...row, premise: row.premise.padEnd(4000, '.') }));
  await db.run('recordPredictions', { rows: long });
  const maxBytes = 4_000_000;
  const deleted = await sweepAll(db, { maxBytes, clock: () => START });
  const left = await db.kysely.selectFrom('predictions').select('pair_id').orderBy('seq').execute();
  t.equal(left.length, 2000 - deleted);
  t.ok(left.length > 500, `${left.length} stay`);
  t.equal(left.at(-1)?.pair_id, 'pair-1999', 'the newest stay');
  t.equal(await count(db, 'texts'), left.length + 1);
  await db.close();
  t.ok(statSync(file).size <= maxBytes, `${statSync(file).size} bytes`);
});

t.test('a cap below an empty database leaves nothing, and ends', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 300) });
  t.equal(await sweepAll(db, { maxBytes: 0, clock: () => START }), 300);
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
  const told: string[] = [];
  const log = {
    info: (_: object, message: string) => told.push(message),
    error: (_: object, message: string) => told.push(message),
  };
  const stop = keepRetention(
    { run: run as unknown as Database['run'] },
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
