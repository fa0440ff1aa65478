import { type ChildProcess, fork, spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { sql } from 'kysely';
import t from 'tap';
import { openDatabase } from '../../src/db/database.js';
import { migrations } from '../../src/db/migrations/index.js';
import { fileIn, openFor } from './fixtures/open.js';

const CHILD = fileURLToPath(new URL('./fixtures/child.js', import.meta.url));
const start = (task: string, file: string) => fork(CHILD, [task, file], { execArgv: [] });

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Kills the process once it has acknowledged `count` records; resolves with all that it acknowledged. */
async function acknowledgedUntilKilled(child: ChildProcess, count: number): Promise<number[]> {
  const acknowledged: number[] = [];
  child.on('message', (number: number) => acknowledged.push(number));
  while (acknowledged.length < count) await once(child, 'message');
  await kill(child);
  return acknowledged;
}

t.test('what was acknowledged before kill -9 is there, once, in a sound file', async (t) => {
  const file = fileIn(t);
  const acknowledged = await acknowledgedUntilKilled(start('record', file), 300);
  t.ok(existsSync(`${file}-wal`), 'it was killed with its log open');
  const db = await openFor(t, file);
  const rows = await db.kysely.selectFrom('predictions').select('pair_id').execute();
  const recorded = new Set(rows.map(({ pair_id }) => pair_id));
  t.equal(recorded.size, rows.length);
  t.same(
    acknowledged.filter((number) => !recorded.has(`pair-${number}`)),
    [],
  );
  const check = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db.kysely);
  t.same(check.rows, [{ integrity_check: 'ok' }]);
});

t.test('after kill -9 inside a migration, the next start finds nothing of it and completes', async (t) => {
  const file = fileIn(t);
  const child = start('migrate', file);
  await once(child, 'message');
  await kill(child);
  const left = new Sqlite(file);
  const tables = left.prepare(`select name from sqlite_schema where name in ('half', 'texts')`).all();
  left.close();
  t.same(tables, [], 'neither the migration that ended nor the one that did not');
  const db = await openFor(t, file);
  t.same(await db.kysely.selectFrom('predictions').selectAll().execute(), []);
});

t.test('a failing migration leaves the database as it was', async (t) => {
  const file = fileIn(t);
  await (await openDatabase({ url: `sqlite:${file}` })).close();
  const before = new Sqlite(file);
  before.exec('delete from kysely_migration');
  const schema = before.prepare('select * from sqlite_schema').all();
  before.close();
  await t.rejects(openDatabase({ url: `sqlite:${file}` }), {
    code: 'storage-failed',
    message: /errata.db could not be brought to the present schema: table "texts" already exists/,
  });
  const after = new Sqlite(file);
  t.same(after.prepare('select * from sqlite_schema').all(), schema);
  after.close();
});

t.test('processes that start together on a new file all come up, and it is migrated once', async (t) => {
  const file = fileIn(t);
  const children = [1, 2, 3].map(() => start('open', file));
  const exits = await Promise.all(children.map((child) => once(child, 'exit')));
  t.same(exits, [
    [0, null],
    [0, null],
    [0, null],
  ]);
  const db = await openFor(t, file);
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db.kysely);
  t.same(
    rows.map(({ name }) => name),
    Object.keys(migrations),
  );
});

t.test('a database of a newer version is refused by name', async (t) => {
  const file = fileIn(t);
  await (await openDatabase({ url: `sqlite:${file}` })).close();
  const newer = new Sqlite(file);
  newer.exec(`insert into kysely_migration values ('0007-later', '2030-01-01T00:00:00.000Z')`);
  newer.close();
  const message = /errata.db was written by a newer version of Errata, whose migrations this one lacks: 0007-later/;
  await t.rejects(openDatabase({ url: `sqlite:${file}` }), { code: 'storage-failed', message });
});

const noLimit = process.platform === 'win32' && 'no ulimit';
t.test('a commit that meets an I/O error stops all writing, not reading', { skip: noLimit }, async (t) => {
  // The runner's preloads would make the signal of a file too large deadly, which Node by itself ignores.
  const script = 'unset NODE_OPTIONS; ulimit -f 3000; exec "$0" "$@"';
  const stdio: StdioOptions = ['ignore', 'inherit', 'inherit', 'ipc'];
  const child = spawn('sh', ['-c', script, process.execPath, CHILD, 'fill', fileIn(t)], { stdio });
  const [told] = (await once(child, 'message')) as [unknown];
  t.match(told, {
    codes: [/errata.db met an input\/output error/, /errata.db met an input\/output error/],
    length: 500,
    health: { writing: 'stopped', reading: 'open', reason: /met an input\/output error/ },
  });
  await once(child, 'exit');
});
