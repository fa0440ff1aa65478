import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import { openDatabase } from '../../src/db/database.js';
import { fileIn, openFor } from './fixtures/open.js';
import { prediction, predictions } from './fixtures/prediction.js';

t.test('a stream gives every row once, in order, whatever the size of its chunks', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  const wanted = predictions(0, 250).map(({ pair_id }) => pair_id);
  for (const chunk of [1, 100, 125, 1000]) {
    const read: string[] = [];
    const scan = db.kysely.selectFrom('predictions').select('pair_id').orderBy('seq').stream(chunk);
    for await (const { pair_id } of scan) read.push(pair_id);
    t.same(read, wanted, `chunks of ${chunk}`);
  }
});

t.test('while a stream is open, records go on, lists see them, and the stream does not', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  const count = async () => (await db.kysely.selectFrom('predictions').select('seq').execute()).length;
  let streamed = 0;
  for await (const _ of db.kysely.selectFrom('predictions').select('seq').stream(10)) {
    if (streamed === 0) await db.run('recordPredictions', { rows: [prediction(1000)] });
    if (streamed === 0) t.equal(await count(), 251);
    streamed += 1;
  }
  t.equal(streamed, 250);
});

/** True when no connection holds an old snapshot, so that the write-ahead log could be emptied. */
function logCanBeEmptied(t: Test, file: string): boolean {
  const other = new Sqlite(file, { timeout: 0 });
  t.teardown(() => other.close());
  return other.pragma('wal_checkpoint(truncate)', { simple: true }) === 0;
}

t.test('a stream that is left early is closed', async (t) => {
  const file = fileIn(t);
  const db = await openFor(t, file);
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  for await (const _ of db.kysely.selectFrom('predictions').selectAll().stream(10)) {
    await db.run('recordPredictions', { rows: [prediction(1000)] });
    t.notOk(logCanBeEmptied(t, file), 'while it is open');
    break;
  }
  t.ok(logCanBeEmptied(t, file), 'after it');
});

t.test('a stream that nobody reads is closed after a while, and its reader is told', async (t) => {
  const file = fileIn(t);
  const db = await openDatabase({ url: `sqlite:${file}`, streamIdleMs: 1000 });
  t.teardown(() => db.close());
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  const rows = db.kysely.selectFrom('predictions').selectAll().stream(10)[Symbol.asyncIterator]();
  await rows.next();
  await db.run('recordPredictions', { rows: [prediction(1000)] });
  while (!logCanBeEmptied(t, file)) await new Promise((resolve) => setTimeout(resolve, 10));
  const rest = async () => {
    while ((await rows.next()).done !== true);
  };
  await t.rejects(rest(), { code: 'unavailable', message: /not read for too long/ });
});

t.test('a stream that errs says why', async (t) => {
  const db = await openFor(t);
  const nonsense = db.kysely
    .selectFrom('nowhere' as 'texts')
    .selectAll()
    .stream();
  await t.rejects(nonsense[Symbol.asyncIterator]().next(), { message: /no such table: nowhere/ });
});
