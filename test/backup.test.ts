/** A backup is the state of one moment, taken while others write; what is restored is what was backed up, or nothing. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import { fileOf } from '../adapters/store.js';
import { backup, type BackupManifest, type Storage } from '../src/backup.js';
import { loadConfig } from '../src/config.js';
import { restore } from '../src/restore.js';
import { serve } from '../src/serve.js';
import { errata } from './cli/errata.js';
import { prediction } from './db/fixtures/prediction.js';
import { get, post } from './service/service.js';
import { randomAdapter } from './support/adapter-files.js';
import { bundled, forced, openOver, openParts } from './support/registry.js';

t.setTimeout(300_000);
const CHILD = fileURLToPath(new URL('./db/fixtures/child.js', import.meta.url));
const NOW = Date.UTC(2026, 0, 2);
const RECORDED_BEFORE = 300;

/** A directory of the test's own, under the one it has. */
function directory(t: Test, name: string): string {
  const made = path.join(t.testdirName, name);
  mkdirSync(made, { recursive: true });
  return made;
}

const storageIn = (dataDir: string): Storage => ({
  dataDir,
  databaseUrl: `sqlite:${path.join(dataDir, 'errata.db')}`,
});

/** A process that records as fast as it can, and the numbers that were acknowledged to it. */
function writer(dataDir: string): { readonly child: ChildProcess; readonly acknowledged: number[] } {
  const child = fork(CHILD, ['record', path.join(dataDir, 'errata.db')], { execArgv: [] });
  const acknowledged: number[] = [];
  child.on('message', (number: number) => acknowledged.push(number));
  return { child, acknowledged };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** The rows up to `until`, one a line. */
function rowsOf(file: string, until: number): string[] {
  const database = new Sqlite(file, { readonly: true });
  const rows = database
    .prepare('select p.*, t.text from predictions p join texts t on t.id = p.premise_id where seq <= ? order by seq')
    .all(until);
  database.close();
  return rows.map((row) => JSON.stringify(row));
}

/** A data directory with two adapters, the second of them active, and a judgement. */
async function filled(t: Test): Promise<Storage> {
  const storage = storageIn(path.join(t.testdir(), 'data'));
  const parts = await openParts(t, storage.dataDir);
  const registry = await openOver(parts);
  for (const seed of [1, 2]) await registry.import(randomAdapter(bundled.config, { seed }));
  await registry.promote('v2', forced);
  await parts.database.run('recordPredictions', { rows: [prediction(1, { created_at: new Date().toISOString() })] });
  await parts.database.close();
  return storage;
}

t.test('a backup under full writing holds everything up to its position, and nothing after', async (t) => {
  const storage = storageIn(path.join(t.testdir(), 'data'));
  const { child, acknowledged } = writer(storage.dataDir);
  while (acknowledged.length < RECORDED_BEFORE) await once(child, 'message');
  const before = [...acknowledged];
  const to = path.join(directory(t, 'backups'), 'one');
  const manifest = await backup(storage, to, NOW);
  const told = acknowledged.length;
  while (acknowledged.length < told + RECORDED_BEFORE) await once(child, 'message');
  await kill(child);
  const position = manifest.position['predictions'] ?? 0;
  const copied = rowsOf(path.join(to, 'errata.db'), Number.MAX_SAFE_INTEGER);
  const numbers = new Set(copied.map((line) => Number(/"pair-(\d+)"/.exec(line)?.[1])));
  t.same(
    before.filter((number) => !numbers.has(number)),
    [],
    'what was acknowledged before it began is in it',
  );
  t.equal(manifest.rows['predictions'], position, 'its position is its last row: none is missing before');
  t.ok(rowsOf(path.join(storage.dataDir, 'errata.db'), Number.MAX_SAFE_INTEGER).length > position, 'writing went on');
  const original = rowsOf(path.join(storage.dataDir, 'errata.db'), position);
  t.ok(copied.join('\n') === original.join('\n'), 'row for row the same');
});

t.test('what is restored serves: judgements, the active adapter and its files', async (t) => {
  const storage = await filled(t);
  const to = path.join(directory(t, 'backups'), 'one');
  const made = await errata(['backup', to], storage.dataDir, { ERRATA_DATA_DIR: storage.dataDir });
  t.match(made, { code: 0, stdout: /backed up 1 predictions, 0 corrections, 2 adapters in 5 files/ });
  const dataDir = path.join(t.testdirName, 'restored');
  const done = await errata(['restore', to], storage.dataDir, { ERRATA_DATA_DIR: dataDir });
  t.match(done, { code: 0, stdout: /restored 1 predictions/ });
  const settings = { ERRATA_DATA_DIR: dataDir, ERRATA_PORT: '0', ERRATA_LOG_LEVEL: 'silent' };
  const { url, close } = await serve(loadConfig(settings));
  t.teardown(close);
  const { body: active } = await get<{ adapter: { version: string; id: string } }>(`${url}/adapters/active`);
  t.equal(active.adapter.version, 'v2');
  t.equal((await get(`${url}/predictions/${prediction(1).id}`)).status, 200);
  t.equal((await fetch(`${url}/adapters/${active.adapter.id}/files/adapter_model.safetensors`)).status, 200);
  const pairs = [{ premise: 'A man plays.', nli_hypothesis: 'Someone plays.' }];
  t.match(await post(`${url}/nli`, { pairs }), { status: 200, body: { adapter: { version: 'v2' } } });
  const again = await errata(['restore', to], storage.dataDir, { ERRATA_DATA_DIR: dataDir });
  t.match(again, {
    code: 1,
    stderr: /is there: a backup is restored into an empty data directory, of a service that is stopped/,
  });
});

t.test('a backup that was changed is refused, and nothing is left where it should go', async (t) => {
  const storage = await filled(t);
  const good = path.join(directory(t, 'backups'), 'good');
  const manifest = await backup(storage, good, NOW);
  const weights = manifest.files.find(({ path: name }) => name.endsWith('.safetensors'))?.path ?? '';
  const outside = { ...manifest, files: [...manifest.files, { path: '../../stolen', bytes: 1, sha256: 'x' }] };
  const told = (value: unknown) => (directory: string) =>
    writeFileSync(path.join(directory, 'manifest.json'), JSON.stringify(value));
  const cases: readonly (readonly [string, (directory: string) => void, RegExp])[] = [
    ['a byte more in a file', (directory) => appendFileSync(path.join(directory, weights), 'x'), /SHA-256 differs/],
    [
      'a database changed',
      (directory) => appendFileSync(path.join(directory, 'errata.db'), 'x'),
      /errata.db is not the file that was backed up/,
    ],
    ['a file outside', told(outside), /names a file that no backup has/],
    ['no database', told({ ...manifest, files: [] }), /names no errata.db/],
    ['another format', told({ ...manifest, format: 'tar' }), /no manifest of a backup/],
    ['no JSON', (directory) => writeFileSync(path.join(directory, 'manifest.json'), '{'), /no manifest of a backup/],
  ];
  for (const [name, spoil, message] of cases) {
    const bad = path.join(directory(t, 'backups'), name.replaceAll(' ', '-'));
    cpSync(good, bad, { recursive: true });
    spoil(bad);
    const target = path.join(directory(t, 'backups'), `${name.replaceAll(' ', '-')}-target`);
    mkdirSync(target);
    await t.rejects(restore(storageIn(target), bad), { message }, name);
    t.strictSame(readdirSync(target), [], name);
  }
});

t.test('a backup of a newer version is refused', async (t) => {
  const storage = await filled(t);
  const database = new Sqlite(path.join(storage.dataDir, 'errata.db'));
  database.exec(`insert into kysely_migration values ('9999-later', '2030-01-01T00:00:00.000Z')`);
  database.close();
  const to = path.join(directory(t, 'backups'), 'newer');
  await backup(storage, to, NOW);
  const target = directory(t, 'target');
  await t.rejects(restore(storageIn(target), to), { message: /newer version of Errata.*9999-later/ });
  t.strictSame(readdirSync(target), []);
});

t.test('an adapter whose file was lost is named, and the rest is backed up', async (t) => {
  const storage = await filled(t);
  const database = new Sqlite(path.join(storage.dataDir, 'errata.db'), { readonly: true });
  const digest = database.prepare(`select digest from adapters where version = 'v1'`).pluck().get() as string;
  database.close();
  appendFileSync(fileOf(storage.dataDir, digest, 'adapter_model.safetensors'), 'x');
  const to = path.join(directory(t, 'backups'), 'one');
  const made = await errata(['backup', to], storage.dataDir, { ERRATA_DATA_DIR: storage.dataDir });
  t.match(made, { code: 1, stderr: /v1: adapter_model.safetensors is not the file that was stored/ });
  const manifest = JSON.parse(readFileSync(path.join(to, 'manifest.json'), 'utf8')) as BackupManifest;
  t.equal(manifest.files.length, 3);
  const target = directory(t, 'target');
  await restore(storageIn(target), to);
  t.strictSame(readdirSync(path.join(target, 'adapters')).includes(digest), false);
});

t.test('a backup never takes the place of another, and one that fails leaves nothing', async (t) => {
  const storage = await filled(t);
  const backups = directory(t, 'backups');
  mkdirSync(path.join(backups, 'one'));
  await t.rejects(backup(storage, path.join(backups, 'one'), NOW), { message: /one is there already/ });
  const nowhere = storageIn(path.join(backups, 'one'));
  await t.rejects(backup(nowhere, path.join(backups, 'two'), NOW), { code: 'storage-failed' });
  t.strictSame(readdirSync(backups), ['one']);
  t.notOk(existsSync(path.join(backups, 'one', 'errata.db')));
});
