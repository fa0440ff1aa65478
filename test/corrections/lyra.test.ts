/** Lyra's file as its people leave it: made here with better-sqlite3, imported by the use case and the command. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import { uuidv7 } from 'uuidv7';
import { createCorrections } from '../../src/corrections/correct.js';
import { listCorrections } from '../../src/db/corrections.js';
import { importLyraInto } from '../../src/corrections/import-lyra.js';
import { importLyra } from '../../src/corrections/lyra.js';
import { errata } from '../cli/errata.js';
import { openFor } from '../db/fixtures/open.js';

const SCHEMA = `
  create table fragments (id text primary key, page_id text, text_content text);
  create table claims (id text primary key, claim_text text);
  create table edges (id text primary key, source_type text, source_id text, target_type text, target_id text, relation text,
    nli_label text, nli_edge_confidence real, edge_human_corrected integer, edge_correction_reason text, edge_corrected_at text);
  create table nli_corrections (id text primary key, edge_id text, task_id text, premise text, nli_hypothesis text,
    predicted_label text, predicted_confidence real, correct_label text, reason text, corrected_at text, trained_adapter_id text);`;

/** Six fragments of two pages, and an edge from each to the one claim. */
const ROWS = `
  insert into claims values ('k1', 'The drug helps.');
  insert into fragments select 'f' || value, 'page-' || (value % 2), 'Fragment ' || value from generate_series(1, 9);
  insert into edges select 'e' || value, 'fragment', 'f' || value, 'claim', 'k1', 'refutes', 'refutes', 0.9, 1, null,
    '2026-01-02 03:04:05' from generate_series(1, 9);
  insert into nli_corrections values
    ('c1', 'e1', 't', 'Premise one', 'The drug helps.', 'supports', 0.97, 'refutes', 'read it', '2026-01-01 10:00:00', null),
    ('c2', 'e1', 't', 'Premise one', 'The drug helps.', 'refutes', 1.0, 'neutral', 'again', '2026-01-01 11:00:00', null),
    ('c3', 'e2', 't', '  ', 'The drug helps.', 'supports', 0.97, 'refutes', null, '2026-01-01 12:00:00', null),
    ('c4', 'e3', 't', 'Premise three', 'The drug helps.', 'unknown', 0.97, 'refutes', null, '2026-01-01 12:00:00', null),
    ('c5', 'e4', 't', 'Premise four', 'The drug helps.', 'neutral', null, 'refutes', null, '2026-01-01 12:00:00', null),
    ('c6', 'gone', 't', 'Premise five', 'The drug helps.', 'neutral', 0.6, 'supports', null, '2026-01-01T12:00:00+01:00', 'a');
  update edges set edge_human_corrected = 0 where id = 'e5';
  update edges set relation = 'cites' where id = 'e6';
  update edges set nli_label = 'neutral' where id = 'e7';
  update fragments set text_content = '' where id = 'f8';`;

const SERIES = /from generate_series\(1, 9\)/g;
const series =
  'from (with recursive s(value) as (select 1 union all select value + 1 from s where value < 9) select value from s)';

function lyraFile(t: Test, change = ''): string {
  const file = path.join(t.testdir(), 'lyra.db');
  const db = new Sqlite(file);
  db.exec(SCHEMA + ROWS.replaceAll(SERIES, series) + change);
  db.close();
  return file;
}

async function open(t: Test, file: string) {
  const database = await openFor(t, path.join(path.dirname(file), 'errata.db'));
  const judge = { judge: () => Promise.reject(new Error('nothing is judged')) };
  return {
    database,
    corrections: createCorrections({ database, judge, modelDigest: '', now: Date.now, newId: uuidv7 }),
  };
}

const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

const COUNTS = {
  corrections: {
    read: 6,
    stored: 2,
    replaced: 0,
    unchanged: 0,
    dropped: { later_correction_of_the_edge: 1, empty_text: 1, unknown_label: 1, no_confidence: 1 },
    without_page: 1,
  },
  confirmations: {
    read: 3,
    stored: 1,
    replaced: 0,
    unchanged: 0,
    dropped: { label_changed_without_correction: 1, empty_text: 1 },
    without_page: 0,
  },
};

t.test('the first correction of each edge and each confirmation, with page and reasons', async (t) => {
  const file = lyraFile(t);
  const before = digest(file);
  const { database, corrections } = await open(t, file);
  t.strictSame(await importLyra(file, corrections), COUNTS);
  t.equal(digest(file), before, "Lyra's file is only read");
  const { items } = await listCorrections(database.kysely);
  t.match(items, [
    {
      edge_id: 'e9',
      page_id: 'page-1',
      premise: 'Fragment 9',
      original_label: 'refutes',
      correct_label: 'refutes',
      why_not: 'confirmation',
    },
    {
      edge_id: 'gone',
      page_id: null,
      original_confidence: 0.6,
      created_at: '2026-01-01T11:00:00.000Z',
      why_not: 'low_confidence',
    },
    {
      edge_id: 'e1',
      page_id: 'page-1',
      premise: 'Premise one',
      original_label: 'supports',
      original_confidence: 0.97,
      correct_label: 'refutes',
      confidence_source: 'claimed',
      reviewer: 'lyra',
      reason: 'read it',
      created_at: '2026-01-01T10:00:00.000Z',
      usable: true,
    },
  ]);
  t.equal(items.length, 3);
});

t.test('imported again nothing changes; what Lyra corrected since comes in', async (t) => {
  const file = lyraFile(t);
  const { database, corrections } = await open(t, file);
  await importLyra(file, corrections);
  t.match(await importLyra(file, corrections), {
    corrections: { stored: 0, unchanged: 2 },
    confirmations: { stored: 0, unchanged: 1 },
  });
  const db = new Sqlite(file);
  db.exec(`insert into nli_corrections values
    ('c9', 'e9', 't', 'Fragment 9', 'The drug helps.', 'refutes', 0.9, 'neutral', null, '2026-02-01 10:00:00', null)`);
  db.close();
  t.match(await importLyra(file, corrections), {
    corrections: { replaced: 1, unchanged: 2 },
    confirmations: { read: 2 },
  });
  const { items } = await listCorrections(database.kysely, { edge_id: 'e9' });
  t.match(items, [{ correct_label: 'neutral', usable: true }]);
});

t.test('thousands of rows are all there', async (t) => {
  const many = `delete from nli_corrections; insert into nli_corrections select 'n' || value, 'x' || value, 't', 'Premise ' || value,
    'Claim', 'supports', 0.9, 'neutral', null, '2026-01-01', null from
    (with recursive s(value) as (select 1 union all select value + 1 from s where value < 1234) select value from s);`;
  const file = lyraFile(t, many);
  const { corrections } = await open(t, file);
  t.match(await importLyra(file, corrections), { corrections: { read: 1234, stored: 1234, without_page: 1234 } });
});

t.test('what the file lacks is named', async (t) => {
  const lacking = lyraFile(
    t,
    'drop table claims; alter table edges drop column nli_label; alter table nli_corrections drop column reason;',
  );
  const { corrections } = await open(t, lacking);
  await t.rejects(importLyra(lacking, corrections), {
    code: 'unprocessable',
    message: /lyra\.db.*lacks column nli_corrections\.reason, column edges\.nli_label, table claims$/,
  });
  await t.rejects(importLyra(path.join(path.dirname(lacking), 'none.db'), corrections), {
    message: /none\.db cannot be opened/,
  });
  await t.rejects(importLyra('package.json', corrections), { message: /package\.json is not a SQLite database/ });
});

t.test('the command prints the counts', async (t) => {
  const file = lyraFile(t);
  const env = { ERRATA_DATA_DIR: path.join(path.dirname(file), 'data') };
  const json = await errata(['import', 'lyra', file, '--json'], path.dirname(file), env);
  t.equal(json.code, 0, json.stderr);
  t.strictSame(JSON.parse(json.stdout), COUNTS);
  const again = await errata(['import', 'lyra', file], path.dirname(file), env);
  t.match(
    again.stdout,
    'corrections: 6 read, 0 stored, 0 replaced, 2 there already; left out: 1 later correction of the edge',
  );
  t.equal((await errata(['import', 'lyra', `${file}.none`], path.dirname(file), env)).code, 1);
  t.match(await importLyraInto({ databaseUrl: `sqlite:${env.ERRATA_DATA_DIR}/errata.db` }, file), {
    confirmations: { unchanged: 1 },
  });
});
