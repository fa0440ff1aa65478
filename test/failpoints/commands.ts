/** Processes that are killed at what they do once, and then made to do it again: migrations, keys, backup and restore. */
import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { uuidv7 } from 'uuidv7';
import { addAdapter } from '../../adapters/registry.js';
import { backup, type Storage } from '../../src/backup.js';
import { openDatabase } from '../../src/db/database.js';
import type { Failpoint } from '../../src/failpoints.js';
import { createKeys } from '../../src/keys.js';
import { restore } from '../../src/restore.js';
import { start } from '../cli/errata.js';
import { prediction } from '../db/fixtures/prediction.js';
import { randomAdapter } from '../support/adapter-files.js';
import { BASE, bundled } from '../support/registry.js';
import { faultsOf } from './invariants.js';
import { openLedger } from './ledger.js';
import type { Target } from './lives.js';

/** What a kill of a process showed. */
export interface CommandKill extends Target {
  readonly fired: boolean;
  readonly faults: readonly string[];
}

export interface CommandScenario {
  readonly name: string;
  /** Passed once. */
  readonly once: readonly Failpoint[];
  /** Passed more than once. */
  readonly often: readonly Failpoint[];
  /** Done once in a directory, before the kills. */
  prepare(home: string): Promise<void>;
  /** Kills at the target, in a directory of its own under that one. */
  kill(home: string, target: Target): Promise<CommandKill>;
}

const OPENS = fileURLToPath(new URL('../db/fixtures/child.js', import.meta.url));
const NOW = Date.UTC(2026, 0, 2);

interface Killed {
  readonly fired: boolean;
  readonly faults: readonly string[];
}

/** The process ends by SIGKILL at the target, or by itself with status 0. */
async function killed(
  home: string,
  { name, n }: Target,
  begin: (env: Record<string, string>) => ChildProcess,
): Promise<Killed> {
  const mark = path.join(home, `mark-${randomUUID()}`);
  const child = begin({ FAILPOINT: `${name}:${n}`, FAILPOINT_MARK: mark });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const fired = existsSync(mark);
  const fine = fired ? signal === 'SIGKILL' : code === 0;
  return { fired, faults: fine ? [] : [`at ${name}:${n} it ended with ${signal ?? code}: ${stderr}`] };
}

const dataIn = (directory: string, name: string): Storage => {
  const dataDir = path.join(directory, name);
  return { dataDir, databaseUrl: `sqlite:${path.join(dataDir, 'errata.db')}` };
};

function query<T>({ dataDir }: Storage, sql: string): T[] {
  const database = new Sqlite(path.join(dataDir, 'errata.db'), { readonly: true });
  try {
    return database.prepare<[], T>(sql).all();
  } finally {
    database.close();
  }
}

const check = ({ dataDir }: Storage): Promise<string[]> => faultsOf(dataDir, openLedger('none'), null);

const SCHEMA = 'select type, name, sql from sqlite_schema order by type, name';
const VERSIONS = 'select name from kysely_migration order by name';
let undisturbed: string | undefined;

const open = (data: Storage, env: Record<string, string>): ChildProcess =>
  fork(OPENS, ['open', path.join(data.dataDir, 'errata.db')], { execArgv: [], silent: true, env });

/** Whatever was killed on the way, the next start completes it, and the schema is the same. */
async function killMigrations(home: string, target: Target): Promise<CommandKill> {
  const directory = newDirectory(home);
  const data = dataIn(directory, 'data');
  const { fired, faults } = await killed(directory, target, (env) => open(data, env));
  const [code] = (await once(open(data, {}), 'close')) as [number | null];
  const schema = JSON.stringify([query(data, SCHEMA), query(data, VERSIONS)]);
  undisturbed ??= schema;
  const completed = code === 0 && schema === undisturbed ? [] : [`it ended with ${code}, the schema is ${schema}`];
  return { ...target, fired, faults: [...faults, ...completed, ...(await check(data))] };
}

const newDirectory = (home: string): string => mkdtempSync(path.join(home, 'kill-'));

type KeyCommand = 'create' | 'rotate' | 'revoke';

const KEY = 'select id from api_keys order by created_at limit 1';

/** What was killed is done again; a key is there whole, or not at all. */
function killKeys(command: KeyCommand) {
  return async (home: string, target: Target): Promise<CommandKill> => {
    const directory = newDirectory(home);
    const data = dataIn(directory, 'data');
    cpSync(dataIn(home, 'from').dataDir, data.dataDir, { recursive: true });
    const words = ['keys', command, command === 'create' ? 'admin' : (query<{ id: string }>(data, KEY)[0]?.id ?? '')];
    const { fired, faults } = await killed(directory, target, (env) => errata(words, data, env));
    const [code] = (await once(errata(words, data, {}), 'close')) as [number | null];
    const acts = query(data, `select seq from audit_log where act = 'key.${command}'`).length;
    const least = command === 'create' ? 2 : 1;
    const lost = code === 0 && acts >= least ? [] : [`keys ${command} ended with ${code}, and left ${acts} acts`];
    return { ...target, fired, faults: [...faults, ...lost, ...(await check(data))] };
  };
}

const errata = (words: readonly string[], { dataDir }: Storage, env: Record<string, string>): ChildProcess =>
  start(words, path.dirname(dataDir), { ...env, ERRATA_DATA_DIR: dataDir });

/** A judgement, an adapter and a key in `from`, and a backup of them. */
async function fill(home: string): Promise<void> {
  const from = dataIn(home, 'from');
  const { dataDir, databaseUrl: url } = from;
  mkdirSync(dataDir);
  const database = await openDatabase({ url });
  const parts = { dataDir, database, base: BASE, newId: uuidv7, now: Date.now };
  await database.run('recordPredictions', { rows: [prediction(1, { created_at: new Date().toISOString() })] });
  await addAdapter(parts, { ...randomAdapter(bundled.config, { seed: 1, r: 1 }), origin: 'imported', run_id: null });
  const keys = createKeys({ database, now: Date.now, random: randomBytes });
  await keys.create({ role: 'admin', name: null });
  await database.close();
  await backup(from, path.join(home, 'backup'), NOW);
}

const CONTENT = 'select id from predictions union all select digest from adapters';

/** What is restored is all there was. */
async function contentFaults(from: Storage, to: Storage): Promise<string[]> {
  const [expected, found] = [from, to].map((data) => JSON.stringify(query(data, CONTENT)));
  return [...(found === expected ? [] : [`restored is ${found}, not ${expected}`]), ...(await check(to))];
}

/** A backup that is there is whole; what is not there is made again. */
async function killBackup(home: string, target: Target): Promise<CommandKill> {
  const directory = newDirectory(home);
  const [from, to, copy] = [dataIn(home, 'from'), dataIn(directory, 'to'), path.join(directory, 'backup')];
  const { fired, faults } = await killed(directory, target, (env) => errata(['backup', copy], from, env));
  if (!existsSync(copy)) await backup(from, copy, NOW);
  await restore(to, copy);
  return { ...target, fired, faults: [...faults, ...(await contentFaults(from, to))] };
}

/** A database that is there is whole, with its adapters; what has none is emptied and restored again, as documented. */
async function killRestore(home: string, target: Target): Promise<CommandKill> {
  const directory = newDirectory(home);
  const [from, to, copy] = [dataIn(home, 'from'), dataIn(directory, 'to'), path.join(home, 'backup')];
  const { fired, faults } = await killed(directory, target, (env) => errata(['restore', copy], to, env));
  if (!existsSync(path.join(to.dataDir, 'errata.db'))) {
    rmSync(to.dataDir, { recursive: true, force: true });
    await restore(to, copy);
  }
  return { ...target, fired, faults: [...faults, ...(await contentFaults(from, to))] };
}

export const COMMANDS: readonly CommandScenario[] = [
  {
    name: 'migrations',
    prepare: async () => undefined,
    kill: killMigrations,
    once: ['migration.commit.before', 'migration.commit.after'],
    often: ['migration.begun', 'migration.ended', 'migration.statement.before', 'migration.statement.after'],
  },
  {
    name: 'keys create',
    prepare: fill,
    kill: killKeys('create'),
    once: ['key.row.written', 'key.committed'],
    often: [],
  },
  { name: 'keys rotate', prepare: fill, kill: killKeys('rotate'), once: ['key.rotation.written'], often: [] },
  { name: 'keys revoke', prepare: fill, kill: killKeys('revoke'), once: ['key.revocation.written'], often: [] },
  {
    name: 'backup',
    prepare: fill,
    kill: killBackup,
    once: [
      'backup.directory.made',
      'backup.database.copied',
      'backup.adapter.copied',
      'backup.manifest.written',
      'file.written',
      'file.flushed',
      'file.renamed',
      'file.directory.flushed',
    ],
    often: [],
  },
  {
    name: 'restore',
    prepare: fill,
    kill: killRestore,
    once: ['restore.adapters.moved', 'restore.database.linked'],
    often: ['restore.file.copied', 'restore.file.flushed'],
  },
];
