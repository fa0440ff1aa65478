/** A whole copy of the database file, taken while others write it, and what such a copy holds. */
import Sqlite from 'better-sqlite3';
import { Problem } from '../errors.js';
import { toStorageProblem } from './failures.js';
import { migrations } from './migrations/index.js';

/** An adapter's row, as far as its files are concerned. */
export interface CopiedAdapter {
  readonly version: string;
  readonly base_model: string;
  readonly digest: string;
  readonly config_sha256: string;
  readonly weights_sha256: string;
}

export interface DatabaseContent {
  /** Names of the migrations it has been through. */
  readonly migrations: readonly string[];
  /** Table → the last number it gave: everything up to it is in the copy, nothing after it. */
  readonly position: Readonly<Record<string, number>>;
  /** Table → its rows. */
  readonly rows: Readonly<Record<string, number>>;
  readonly adapters: readonly CopiedAdapter[];
}

const BUSY_TIMEOUT_MS = 5000;

function reading<T>(file: string, act: (connection: Sqlite.Database) => T): T {
  let connection: Sqlite.Database | undefined;
  try {
    connection = new Sqlite(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    return act(connection);
  } catch (error) {
    throw toStorageProblem(error, file);
  } finally {
    connection?.close();
  }
}

/**
 * Writes the state of one moment to `to`, which must not be there. It reads in one transaction, so that it neither waits
 * for writers nor makes them wait; SQLite's online backup would begin anew at each of their commits. The copy has no free
 * pages: nothing that was deleted is in it. It is not flushed.
 * Throws Problem 'storage-failed'.
 */
export function copyDatabase(file: string, to: string): void {
  reading(file, (connection) => connection.prepare('vacuum into ?').run(to));
}

/** Reads and checks every page of a file that nobody writes. Throws Problem 'storage-failed' for one that is damaged. */
export function inspectDatabase(file: string): DatabaseContent {
  return reading(file, (connection) => {
    const found: unknown = connection.pragma('integrity_check(1)', { simple: true });
    if (found !== 'ok') throw new Problem('storage-failed', `${file} is damaged: ${String(found)}`);
    return contentOf(connection, file);
  });
}

function contentOf(connection: Sqlite.Database, file: string): DatabaseContent {
  const all = <T>(text: string): T[] => connection.prepare<[], T>(text).all();
  const tables = all<{ name: string }>(`select name from sqlite_schema where type = 'table' order by name`);
  if (!tables.some(({ name }) => name === 'kysely_migration'))
    throw new Problem('storage-failed', `${file} is no database of Errata`);
  const own = tables.map(({ name }) => name).filter((name) => !/^(?:sqlite|kysely)_/.test(name));
  const count = (table: string): number => all<{ n: number }>(`select count(*) as n from "${table}"`)[0]?.n ?? 0;
  const sequences = all<{ name: string; seq: number }>('select name, seq from sqlite_sequence order by name');
  return {
    migrations: all<{ name: string }>('select name from kysely_migration order by name').map(({ name }) => name),
    position: Object.fromEntries(sequences.map(({ name, seq }) => [name, seq])),
    rows: Object.fromEntries(own.map((table) => [table, count(table)])),
    adapters: all('select version, base_model, digest, config_sha256, weights_sha256 from adapters order by seq'),
  };
}

/** Migrations of a newer version of Errata, which this one does not know. */
export const unknownMigrations = (content: Pick<DatabaseContent, 'migrations'>): string[] =>
  content.migrations.filter((name) => !Object.hasOwn(migrations, name));
