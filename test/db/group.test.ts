import { type Kysely, sql } from 'kysely';
import t from 'tap';
import { openConnection } from '../../src/db/connection.js';
import type { Database } from '../../src/db/database.js';
import { localKysely } from '../../src/db/dialect.js';
import { commitGroup } from '../../src/db/group.js';
import { migrate } from '../../src/db/migrate.js';
import { migrations } from '../../src/db/migrations/index.js';
import type { Schema } from '../../src/db/schema.js';
import { Problem } from '../../src/errors.js';
import { fileIn, openFor, openMisbehaving } from './fixtures/open.js';
import { prediction, predictions } from './fixtures/prediction.js';
import type { Misbehaving } from './fixtures/worker.js';

async function texts(db: Database<Misbehaving>): Promise<string[]> {
  return (await db.kysely.selectFrom('texts').select('text').orderBy('id').execute()).map(({ text }) => text);
}

t.test('units that wait together share a commit', async (t) => {
  const db = await openFor(t);
  await Promise.all(predictions(0, 50).map((row) => db.run('recordPredictions', { rows: [row] })));
  const { groups, units } = db.health();
  t.equal(units, 50);
  t.ok(groups < units, `${groups} commits`);
});

t.test('a unit that waits for another one is in a later commit', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: [prediction(1)] });
  await db.run('recordPredictions', { rows: [prediction(2)] });
  t.match(db.health(), { groups: 2, units: 2, writing: 'open', reading: 'open', reason: null, restarts: 0 });
});

const insertText = async (db: Kysely<Schema>, text: string) => {
  await db
    .insertInto('texts')
    .values({ text, sha256: Buffer.from(text) })
    .execute();
};
const insertThenThrow = async (db: Kysely<Schema>, text: string) => {
  await insertText(db, text);
  throw new Problem('conflict', `not ${text}`);
};

t.test('in one commit, a unit that throws undoes its own writes only, and alone gets the error', async (t) => {
  const file = fileIn(t);
  const connection = openConnection({ file, role: 'writer', busy_timeout_ms: 0 });
  t.teardown(() => connection.close());
  await migrate(localKysely(connection), migrations, file);
  const db = localKysely<Schema>(connection);
  const jobs = [
    ['insertText', 'a'],
    ['insertThenThrow', 'b'],
    ['insertText', 'a'],
    ['insertText', 'c'],
  ].map(([name = '', input], id) => ({ id, request: { kind: 'unit' as const, name, input } }));
  t.match(await commitGroup({ connection, db, units: { insertText, insertThenThrow } }, jobs), {
    replies: [
      { id: 0, ok: true },
      { id: 1, ok: false, failure: { kind: 'problem', code: 'conflict', message: 'not b' } },
      { id: 2, ok: false, failure: { kind: 'error', message: /UNIQUE constraint failed: texts.sha256/ } },
      { id: 3, ok: true },
    ],
    stopped: null,
  });
  t.notOk(connection.inTransaction);
  t.same(connection.prepare('select text from texts order by id').pluck().all(), ['a', 'c']);
});

t.test('errors of units cross the threads as what they are', async (t) => {
  const db = await openMisbehaving(t);
  await t.rejects(db.run('insertThenThrow', { text: 'b' }), { name: 'Problem', code: 'conflict', message: 'not b' });
  await db.run('insertText', { text: 'a' });
  await t.rejects(db.run('insertText', { text: 'a' }), { name: 'Error', message: /UNIQUE constraint failed/ });
  t.same(await texts(db), ['a']);
});

t.test('when the transaction as a whole fails, every job of the group is told', async (t) => {
  const file = fileIn(t);
  const connection = openConnection({ file, role: 'writer', busy_timeout_ms: 0 });
  const other = openConnection({ file, role: 'writer', busy_timeout_ms: 0 });
  t.teardown(() => [connection, other].forEach((open) => open.close()));
  other.exec('begin immediate');
  const jobs = [1, 2].map((id) => ({ id, request: { kind: 'unit' as const, name: 'insertText', input: 'a' } }));
  const context = { connection, db: localKysely<Schema>(connection), units: { insertText } };
  const failure = { code: 'storage-failed', message: /errata.db is locked by another process/ };
  t.match(await commitGroup(context, jobs), {
    replies: [
      { id: 1, ok: false, failure },
      { id: 2, ok: false, failure },
    ],
    stopped: null,
  });
});

t.test('an unknown unit and an answer that cannot be sent are errors of their callers alone', async (t) => {
  const db = await openMisbehaving(t);
  const results = await Promise.allSettled([
    db.run('insertText', { text: 'a' }),
    db.run('answerFunction', { text: 'b' }),
    db.run('toString' as 'die', null),
    db.run('noSuchUnit' as 'die', null),
  ]);
  t.match(results, [
    { status: 'fulfilled' },
    { status: 'rejected', reason: { message: /could not be cloned/ } },
    { status: 'rejected', reason: { message: /no unit of work named toString/ } },
    { status: 'rejected', reason: { message: /no unit of work named noSuchUnit/ } },
  ]);
});

t.test('writes and transactions outside a unit are refused', async (t) => {
  const db = await openFor(t);
  const insert = db.kysely.insertInto('texts').values({ text: 'a', sha256: Buffer.from('a') });
  await t.rejects(insert.execute(), { message: /a write is a unit of work/ });
  await t.rejects(sql`delete from texts`.execute(db.kysely), { message: /a write is a unit of work/ });
  await t.rejects(
    db.kysely.transaction().execute(() => Promise.resolve()),
    { message: /a transaction is a unit of work/ },
  );
});

t.test('on a full disk units are refused, reads go on, and writes come back with the space', async (t) => {
  const db = await openMisbehaving(t);
  await db.run('recordPredictions', { rows: predictions(0, 10) });
  const pages = Number(await db.run('pragma', 'page_count'));
  await db.run('pragma', `max_page_count = ${pages + 2}`);
  const large = predictions(100, 500);
  const results = await Promise.allSettled([
    db.run('recordPredictions', { rows: large }),
    db.run('recordPredictions', { rows: predictions(1000, 500) }),
  ]);
  const full = {
    status: 'rejected',
    reason: { code: 'storage-full', message: /errata.db has no space left to grow/ },
  };
  t.match(results, [full, full]);
  const count = () => db.kysely.selectFrom('predictions').select('id').execute();
  t.equal((await count()).length, 10);
  t.equal(db.health().writing, 'open');
  await db.run('pragma', 'max_page_count = 1000000');
  await db.run('recordPredictions', { rows: large });
  t.equal((await count()).length, 510);
});

t.test('a worker that dies fails what waits for it, and another one takes its place', async (t) => {
  const db = await openMisbehaving(t);
  await db.run('insertText', { text: 'before' });
  const dying = db.run('die', null);
  const waiting = db.run('insertText', { text: 'with it' });
  await t.rejects(dying, { code: 'storage-failed' });
  await t.rejects(waiting, { code: 'storage-failed' });
  t.equal(db.health().restarts, 1);
  await db.run('insertText', { text: 'after' });
  t.match(db.health(), { writing: 'open', reading: 'open', restarts: 1 });
  t.same(await texts(db), ['before', 'after']);
});
