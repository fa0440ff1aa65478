import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { openConnection } from '../../src/db/connection.js';
import { openDatabase } from '../../src/db/database.js';
import { fileIn, openFor, openMisbehaving } from './fixtures/open.js';

t.test('both connections sync every commit and check foreign keys', async (t) => {
  const file = fileIn(t);
  const db = await openMisbehaving(t, file);
  const wanted = { journal_mode: 'wal', synchronous: 2, foreign_keys: 1, busy_timeout: 5000, fullfsync: 1 };
  const reader = openConnection({ file, role: 'reader', busy_timeout_ms: 5000 });
  t.teardown(() => reader.close());
  for (const [name, value] of Object.entries(wanted)) {
    t.equal(await db.run('pragma', name), value, `writer: ${name}`);
    t.equal(reader.pragma(name, { simple: true }), value, `reader: ${name}`);
  }
  t.equal(await db.run('pragma', 'auto_vacuum'), 1);
});

t.test('a database that cannot have a write-ahead log is refused', async (t) => {
  const open = () => openConnection({ file: ':memory:', role: 'writer', busy_timeout_ms: 0 });
  t.throws(open, { code: 'storage-failed', message: /:memory: runs with journal_mode=memory, wal is needed/ });
});

t.test('a missing directory is made', async (t) => {
  const file = path.join(t.testdir(), 'a', 'b', 'errata.db');
  await openFor(t, file);
  t.ok(existsSync(file));
});

t.test('a file that is no database is refused by name', async (t) => {
  const file = fileIn(t);
  writeFileSync(file, 'this is a text file, and long enough to be taken for one: '.repeat(50));
  const message = new RegExp(`${path.basename(file)} is not a SQLite database`);
  await t.rejects(openDatabase({ url: `sqlite:${file}` }), { code: 'storage-failed', message });
});

t.test('a file whose pages are overwritten is refused as damaged', async (t) => {
  const file = fileIn(t);
  await (await openDatabase({ url: `sqlite:${file}` })).close();
  const header = new Sqlite(file);
  header.unsafeMode().pragma('writable_schema = on');
  header.exec(`update sqlite_schema set sql = 'create nonsense' where name = 'predictions'`);
  header.close();
  await t.rejects(openDatabase({ url: `sqlite:${file}` }), { code: 'storage-failed', message: /errata.db is damaged/ });
});

t.test('a file that another process has locked is refused by name once the wait is over', async (t) => {
  const file = fileIn(t);
  const other = new Sqlite(file);
  other.exec('pragma locking_mode = exclusive; begin exclusive; create table t (x)');
  t.teardown(() => other.close());
  const opening = openDatabase({ url: `sqlite:${file}`, busyTimeoutMs: 50 });
  await t.rejects(opening, { code: 'storage-failed', message: /errata.db is locked by another process/ });
});

t.test('a place where no file can be made is refused by name', async (t) => {
  const places: Record<string, string> = {
    'below a file': path.join(t.testdir({ file: 'x' }), 'file', 'errata.db'),
    'a directory': t.testdir({ file: 'x' }),
  };
  for (const [what, file] of Object.entries(places)) {
    const opening = openDatabase({ url: `sqlite:${file}` });
    await t.rejects(
      opening,
      { code: 'storage-failed', message: new RegExp(`^${file} cannot be opened or created`) },
      what,
    );
  }
});

const root = process.getuid?.() === 0;
t.test('a read-only directory is refused by name', { skip: root && 'root may write anywhere' }, async (t) => {
  const directory = t.testdir();
  chmodSync(directory, 0o500);
  t.teardown(() => chmodSync(directory, 0o700));
  const opening = openDatabase({ url: `sqlite:${path.join(directory, 'errata.db')}` });
  await t.rejects(opening, { code: 'storage-failed', message: /errata.db cannot be opened or created/ });
});

t.test('after closing, calls are refused and the log is folded into the one file', async (t) => {
  const file = fileIn(t);
  const db = await openDatabase({ url: `sqlite:${file}` });
  await db.close();
  await db.close();
  await t.rejects(db.run('sweep', { before: '', max_bytes: 0, full_before: '', limit: 1 }), { code: 'storage-failed' });
  await t.rejects(db.kysely.selectFrom('texts').selectAll().execute(), { code: 'storage-failed' });
  t.notOk(existsSync(`${file}-wal`));
});
