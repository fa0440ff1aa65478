/** The audit log: each act in its own transaction, never changed, and whatever is done to the file is found. */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { listAudit } from '../../src/db/audit.js';
import { verifyAudit } from '../../src/db/audit-verify.js';
import { openDatabase } from '../../src/db/database.js';
import { COMMAND_LINE } from '../../src/roles.js';
import { generator, integer } from '../support/random.js';
import { fileIn, openFor } from './fixtures/open.js';

const AT = '2026-01-02T03:04:05.678Z';
const key = (n: number) => ({
  id: `key-${n}`,
  role: n % 2 === 0 ? ('operator' as const) : ('upstream' as const),
  name: null,
  sha256: new Uint8Array(32).fill(n),
  at: new Date(Date.parse(AT) + n).toISOString(),
  by: COMMAND_LINE,
});

/** A database with `rows` acts, closed: the file alone holds all of it. */
async function written(file: string, rows: number): Promise<void> {
  const db = await openDatabase({ url: `sqlite:${file}` });
  for (let n = 0; n < rows; n++) await db.run('insertKey', key(n));
  await db.close();
}

t.test('an act that is undone leaves no row, one that is done leaves one, in order', async (t) => {
  const db = await openFor(t);
  const [done, undone] = await Promise.allSettled([db.run('insertKey', key(1)), db.run('insertKey', key(1))]);
  t.match([done.status, undone.status], ['fulfilled', 'rejected']);
  await db.run('revokeKey', { id: 'key-1', at: AT, by: { actor: 'someone', role: 'admin' } });
  await db.run('revokeKey', { id: 'key-1', at: AT, by: { actor: 'someone', role: 'admin' } });
  const { items } = await listAudit(db.kysely, { limit: 10 });
  t.match(items, [
    { seq: 2, act: 'key.revoke', actor: 'someone', role: 'admin', subject_type: 'key', subject_id: 'key-1', at: AT },
    { seq: 1, act: 'key.create', actor: 'command-line', detail: { role: 'upstream' } },
  ]);
  t.equal(items.length, 2, 'what changed nothing is no act');
});

t.test('pages follow each other, newest first', async (t) => {
  const file = fileIn(t);
  await written(file, 5);
  const db = await openFor(t, file);
  const seqs: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await listAudit(db.kysely, { limit: 2, cursor });
    seqs.push(...page.items.map(({ seq }) => seq));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  t.strictSame(seqs, [5, 4, 3, 2, 1]);
});

t.test('the database refuses to change, remove or insert rows elsewhere', async (t) => {
  const file = fileIn(t);
  await written(file, 3);
  const raw = new Sqlite(file);
  t.teardown(() => raw.close());
  const columns = 'at, actor, role, act, subject_type, subject_id, detail, hash from audit_log where seq = 2';
  for (const statement of [
    "update audit_log set actor = 'x'",
    'delete from audit_log where seq = 3',
    'delete from audit_log',
    `insert into audit_log select 9, ${columns}`,
    `insert or replace into audit_log select 2, ${columns}`,
    'update audit_head set seq = 1',
    "update audit_head set hash = replace(hash, 'a', 'b')",
    'delete from audit_head',
  ])
    t.throws(() => raw.exec(statement), { code: 'SQLITE_CONSTRAINT_TRIGGER' }, statement);
});

t.test('a log that is whole has no fault; its head is told, and an anchor holds', async (t) => {
  const file = fileIn(t);
  await written(file, 3);
  const { hash, ...report } = verifyAudit(file);
  t.strictSame(report, { rows: 3, faults: [] });
  t.strictSame(verifyAudit(file, { seq: 3, hash }).faults, []);
  t.match(verifyAudit(file, { seq: 2, hash }).faults, ['row 2 has not the hash that was noted']);
  t.match(verifyAudit(file, { seq: 4, hash }).faults, ['row 4 has not the hash that was noted']);
});

t.test('a file without a log is refused by name', async (t) => {
  const file = fileIn(t);
  t.throws(() => verifyAudit(file), { code: 'storage-failed', message: /errata.db/ });
  writeFileSync(file, 'no database');
  t.throws(() => verifyAudit(file), { code: 'storage-failed', message: /is not a SQLite database/ });
});

type Random = (below: number) => number;
type Tampering = (raw: Sqlite.Database, random: Random) => void;

const ROWS = 40;
const COLUMNS = ['at', 'actor', 'role', 'act', 'subject_type', 'subject_id', 'detail', 'hash'] as const;

/** Another text of the same length that every constraint of the column takes. */
function altered(text: string, random: Random): string {
  const digits = [...text.matchAll(/[0-9]/g)].map(({ index }) => index);
  const letters = [...text.matchAll(/[a-z]/g)].map(({ index }) => index);
  const places = digits.length > 0 ? digits : letters;
  const at = places[random(places.length)] as number;
  const alphabet = digits.length > 0 ? '0123456789' : 'abcdefghijklmnopqrstuvwxyz';
  const others = Array.from(alphabet).filter((character) => character !== text[at]);
  return text.slice(0, at) + (others[random(others.length)] as string) + text.slice(at + 1);
}

const row = (random: Random, most = ROWS): number => 1 + random(most);

/** What somebody who may write the file could do with SQL. */
const TAMPERINGS: Readonly<Record<string, Tampering>> = {
  'a value is altered': (raw, random) => {
    const seq = row(random);
    const column = COLUMNS[random(COLUMNS.length)] as string;
    const { value } = raw.prepare(`select ${column} as value from audit_log where seq = ?`).get(seq) as {
      value: string;
    };
    raw.prepare(`update audit_log set ${column} = ? where seq = ?`).run(altered(value, random), seq);
  },
  'a row is removed': (raw, random) => raw.prepare('delete from audit_log where seq = ?').run(row(random)),
  'a row is removed and the others close up': (raw, random) => {
    const seq = row(random, ROWS - 1);
    raw.prepare('delete from audit_log where seq = ?').run(seq);
    for (let next = seq + 1; next <= ROWS; next++)
      raw.prepare('update audit_log set seq = seq - 1 where seq = ?').run(next);
  },
  'the end is cut off': (raw, random) => raw.prepare('delete from audit_log where seq > ?').run(random(ROWS)),
  'two rows change places': (raw, random) => {
    const a = row(random);
    const b = 1 + ((a + random(ROWS - 1)) % ROWS);
    for (const [from, to] of [
      [a, 0],
      [b, a],
      [0, b],
    ])
      raw.prepare('update audit_log set seq = ? where seq = ?').run(to, from);
  },
  'a row is added': (raw, random) => {
    const columns = COLUMNS.filter((column) => column !== 'hash').join();
    raw
      .prepare(
        `insert into audit_log (seq, ${columns}, hash) select ${ROWS + 1}, ${columns}, ? from audit_log where seq = ?`,
      )
      .run(
        random(2 ** 31)
          .toString(16)
          .padStart(64, '0'),
        row(random),
      );
  },
  'the head is moved': (raw, random) => raw.prepare('update audit_head set seq = ?').run(random(ROWS)),
  'the head has another hash': (raw, random) => {
    const { hash } = raw.prepare('select hash from audit_log where seq = ?').get(row(random, ROWS - 1)) as {
      hash: string;
    };
    raw.prepare('update audit_head set hash = ?').run(hash);
  },
};

/** Guards are taken away for it, and put back as they were: nothing but the log itself can tell. */
function tamper(file: string, tampering: Tampering, random: Random): void {
  const raw = new Sqlite(file);
  const guards = raw
    .prepare<[], { name: string; sql: string }>(
      `select name, sql from sqlite_schema where type = 'trigger' and name like 'audit%'`,
    )
    .all();
  for (const { name } of guards) raw.exec(`drop trigger ${name}`);
  tampering(raw, random);
  for (const { sql } of guards) raw.exec(sql);
  raw.close();
}

/**
 * Turns a bit of a row of the log, where its hash or what stands before it lies in the file: in the row, and in the copies
 * of it that are left in the free space of other pages.
 */
function turnBit(file: string, hashes: readonly string[], random: Random): void {
  const bytes = readFileSync(file);
  const hash = hashes[random(hashes.length)] as string;
  const offset = random(64 + 60) - 60;
  const bit = 1 << random(8);
  for (let at = bytes.indexOf(hash); at >= 0; at = bytes.indexOf(hash, at + hash.length))
    bytes[at + offset] = (bytes[at + offset] as number) ^ bit;
  writeFileSync(file, bytes);
}

function found(file: string): boolean {
  try {
    return verifyAudit(file).faults.length > 0;
  } catch {
    return true;
  }
}

t.test('1,000 random tamperings of the file are all found', async (t) => {
  const original = fileIn(t);
  await written(original, ROWS);
  const seeded = generator(20_260_102);
  const random: Random = (below) => integer(seeded, 0, below - 1);
  const file = path.join(path.dirname(original), 'tampered.db');
  const { items } = await listedOf(original);
  const kinds = Object.entries(TAMPERINGS);
  const missed: string[] = [];
  const tried = { sql: 0, bits: 0 };
  for (let n = 0; n < 1000; n++) {
    for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
    copyFileSync(original, file);
    const [name, tampering] = kinds[n % kinds.length] as (typeof kinds)[number];
    if (n < 600) tamper(file, tampering, random);
    else turnBit(file, items, random);
    tried[n < 600 ? 'sql' : 'bits'] += 1;
    if (!found(file)) missed.push(`${n}: ${n < 600 ? name : 'a bit is turned'}`);
  }
  t.strictSame(missed, []);
  t.strictSame(tried, { sql: 600, bits: 400 });
  t.notOk(found(original), 'the file itself is whole');
});

async function listedOf(file: string): Promise<{ items: string[] }> {
  const db = await openDatabase({ url: `sqlite:${file}` });
  const { items } = await listAudit(db.kysely, { limit: 200 });
  await db.close();
  return { items: items.slice(1).map(({ hash }) => hash) };
}

t.test('a log that was cut short says how much is missing', async (t) => {
  const file = fileIn(t);
  await written(file, 5);
  tamper(
    file,
    (raw) => raw.exec('delete from audit_log where seq > 3'),
    () => 0,
  );
  t.match(verifyAudit(file), { rows: 3, faults: ['rows 4 to 5 are missing at the end'] });
});

t.test('a guard that was taken away is missed', async (t) => {
  const file = fileIn(t);
  await written(file, 1);
  const raw = new Sqlite(file);
  raw.exec('drop trigger audit_log_never_changes');
  raw.close();
  t.match(verifyAudit(file).faults, [/the guard audit_log_never_changes is missing/]);
});
