/** Commands that are killed and given again: migrations and keys, backup and restore. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import { uuidv7 } from 'uuidv7';
import { addAdapter } from '../../adapters/registry.js';
import { openDatabase } from '../../src/db/database.js';
import type { Failpoint } from '../../src/failpoints.js';
import { errata, outcome, start } from '../cli/errata.js';
import { prediction } from '../db/fixtures/prediction.js';
import { randomAdapter } from '../support/adapter-files.js';
import { BASE, bundled } from '../support/registry.js';
import { faultsOf } from './invariants.js';
import { openLedger } from './ledger.js';
import type { Target } from './lives.js';

/** What a kill of a command showed. */
export interface CommandKill extends Target {
  readonly fired: boolean;
  readonly faults: readonly string[];
}

export interface CommandScenario {
  readonly name: string;
  readonly failpoints: readonly Failpoint[];
  /** Kills at the target in an empty directory of its own. */
  kill(directory: string, target: Target): Promise<CommandKill>;
}

interface Given {
  readonly fired: boolean;
  readonly stdout: string;
  readonly faults: readonly string[];
}

type Again = () => boolean;

/** Gives the command; once more when it was killed and `again` does not say that it had done all, and then it must do. */
async function give(
  words: readonly string[],
  dataDir: string,
  { name, n }: Target,
  again: Again = () => true,
): Promise<Given> {
  const home = path.dirname(dataDir);
  const mark = path.join(home, `mark-${randomUUID()}`);
  const env = { ERRATA_DATA_DIR: dataDir };
  const first = start(words, home, { ...env, FAILPOINT: `${name}:${n}`, FAILPOINT_MARK: mark });
  const told = await outcome(first);
  if (!existsSync(mark)) return { fired: false, stdout: told.stdout, faults: failures(words, told) };
  const faults = first.signalCode === 'SIGKILL' ? [] : [`${words.join(' ')} was to be killed: ${told.stderr}`];
  if (!again()) return { fired: true, stdout: told.stdout, faults };
  const second = await errata(words, home, env);
  return { fired: true, stdout: second.stdout, faults: [...faults, ...failures(words, second)] };
}

const failures = (words: readonly string[], { code, stderr }: { code: number | null; stderr: string }): string[] =>
  code === 0 ? [] : [`${words.join(' ')} ended with ${code}: ${stderr}`];

/** Creates the database and a key, exchanges its secret, revokes it. */
async function killKeys(directory: string, target: Target): Promise<CommandKill> {
  const dataDir = path.join(directory, 'data');
  const created = await give(['keys', 'create', 'admin'], dataDir, target);
  const id = /errata_admin_([^_]+)_/.exec(created.stdout)?.[1] ?? '';
  const rotated = await give(['keys', 'rotate', id], dataDir, target);
  const revoked = await give(['keys', 'revoke', id], dataDir, target);
  const faults = [created, rotated, revoked].flatMap((given) => given.faults);
  const ended = query<{ revoked_at: string | null; rotated_at: string | null }>(
    dataDir,
    `select revoked_at, rotated_at from api_keys where id = '${id}'`,
  );
  if (ended.length !== 1 || ended[0]?.revoked_at === null || ended[0]?.rotated_at === null)
    faults.push(`the key ${id} is ${JSON.stringify(ended)}`);
  faults.push(...(await faultsOf(dataDir, openLedger('none'), null)), ...schemaFaults(dataDir));
  return { ...target, fired: created.fired || rotated.fired || revoked.fired, faults };
}

function query<T>(dataDir: string, sql: string): T[] {
  const database = new Sqlite(path.join(dataDir, 'errata.db'), { readonly: true });
  try {
    return database.prepare<[], T>(sql).all();
  } finally {
    database.close();
  }
}

const SCHEMA = 'select type, name, sql from sqlite_schema order by type, name';
const VERSIONS = 'select name from kysely_migration order by name';
let undisturbed: string | undefined;

/** Whatever was killed on the way, the schema is the same. */
function schemaFaults(dataDir: string): string[] {
  const schema = JSON.stringify([query(dataDir, SCHEMA), query(dataDir, VERSIONS)]);
  undisturbed ??= schema;
  return schema === undisturbed ? [] : [`the schema differs: ${schema}`];
}

/** A judgement and an adapter. */
async function fill(dataDir: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  const database = await openDatabase({ url: `sqlite:${path.join(dataDir, 'errata.db')}` });
  const parts = { dataDir, database, base: BASE, newId: uuidv7, now: Date.now };
  await database.run('recordPredictions', { rows: [prediction(1)] });
  await addAdapter(parts, { ...randomAdapter(bundled.config, { seed: 1, r: 1 }), origin: 'imported', run_id: null });
  await database.close();
}

const CONTENT = 'select id from predictions union all select digest from adapters';

/** A backup that is there is whole, and so is a database that was restored; what is not there is made again. */
async function killBackup(directory: string, target: Target): Promise<CommandKill> {
  const of = (name: string): string => path.join(directory, name);
  const [from, to, backup] = [of('from'), of('to'), of('backup')];
  await fill(from);
  const made = await give(['backup', backup], from, target, () => !existsSync(backup));
  const restored = await give(['restore', backup], to, target, () => emptied(to));
  const faults = [...made.faults, ...restored.faults, ...(await faultsOf(to, openLedger('none'), null))];
  const [expected, found] = [from, to].map((dataDir) => JSON.stringify(query(dataDir, CONTENT)));
  if (found !== expected) faults.push(`restored is ${found}, not ${expected}`);
  return { ...target, fired: made.fired || restored.fired, faults };
}

/** As docs/reliability/backup.md says of a restore that was interrupted. False: its database is there. */
function emptied(dataDir: string): boolean {
  if (existsSync(path.join(dataDir, 'errata.db'))) return false;
  rmSync(dataDir, { recursive: true, force: true });
  return true;
}

export const COMMANDS: readonly CommandScenario[] = [
  {
    name: 'keys and migrations',
    kill: killKeys,
    failpoints: [
      'migration.begun',
      'migration.ended',
      'migration.statement.before',
      'migration.statement.after',
      'migration.commit.before',
      'migration.commit.after',
      'key.row.written',
      'key.rotation.written',
      'key.revocation.written',
      'key.committed',
    ],
  },
  {
    name: 'backup and restore',
    kill: killBackup,
    failpoints: [
      'file.written',
      'file.flushed',
      'file.renamed',
      'file.directory.flushed',
      'backup.directory.made',
      'backup.database.copied',
      'backup.adapter.copied',
      'backup.manifest.written',
      'restore.file.copied',
      'restore.file.flushed',
      'restore.adapters.moved',
      'restore.database.linked',
    ],
  },
];
