/** A better-sqlite3 connection that is known to be durable before anyone uses it. Lives in a worker thread. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import { Problem } from '../errors.js';
import { sqliteCode, toStorageProblem } from './failures.js';
import { foldedIncludes } from './fold.js';
import type { Role } from './messages.js';

export interface ConnectionOptions {
  readonly file: string;
  readonly role: Role;
  /** How long another process's lock is waited for, in milliseconds. */
  readonly busy_timeout_ms: number;
}

export type Connection = Sqlite.Database;

/**
 * In force before the first page exists or never: a commit that frees pages cuts them off the file. Only the sweep of old
 * predictions frees many, a bounded number at a time.
 */
const BEFORE_FIRST_PAGE = 'auto_vacuum = FULL';

/**
 * Set and read back on every connection. better-sqlite3 is built to run WAL with synchronous=NORMAL, where the last
 * commits may be lost with the power; FULL (2) syncs the log before a commit returns. The two fullfsync make that true on
 * macOS as well, where fsync alone leaves data in the drive's cache. With secure_delete what is deleted is overwritten.
 */
const DURABLE = {
  journal_mode: 'wal',
  synchronous: 2,
  foreign_keys: 1,
  fullfsync: 1,
  checkpoint_fullfsync: 1,
  trusted_schema: 0,
  temp_store: 2,
  journal_size_limit: 64 * 2 ** 20,
  secure_delete: 1,
} as const;

const RETRY_MS = 20;

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
}

function assertPragma(connection: Connection, name: string, value: string | number): void {
  const found: unknown = connection.pragma(`${name} = ${value}`, { simple: true });
  const inForce: unknown = connection.pragma(name, { simple: true });
  if (inForce === value) return;
  const told = inForce ?? found;
  throw new Problem('storage-failed', `${connection.name} runs with ${name}=${String(told)}, ${value} is needed`);
}

/** Switching to WAL answers "busy" at once, without waiting, where waiting could be a deadlock: so waiting is done here. */
function untilFree<T>(busyTimeoutMs: number, action: () => T): T {
  const deadline = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return action();
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_BUSY' || performance.now() >= deadline) throw error;
      pause();
    }
  }
}

/** SQLite's own checkpoints after a commit keep silent about what fails in them: the writer asks for its own. */
const OWN_CHECKPOINTS = 'wal_autocheckpoint = 0';

function prepareConnection(connection: Connection, options: ConnectionOptions): void {
  if (options.role === 'writer') for (const text of [BEFORE_FIRST_PAGE, OWN_CHECKPOINTS]) connection.pragma(text);
  for (const [name, value] of Object.entries(DURABLE)) {
    untilFree(options.busy_timeout_ms, () => assertPragma(connection, name, value));
  }
  connection.function('folded_includes', { deterministic: true }, foldedIncludes);
}

/** Level by level: node's own recursion never ends where a directory exists but takes none (/proc). */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  makeDirectory(path.dirname(directory));
  try {
    mkdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function connect({ file, role, busy_timeout_ms }: ConnectionOptions): Connection {
  if (role === 'writer') makeDirectory(path.dirname(file));
  return new Sqlite(file, { readonly: role === 'reader', timeout: busy_timeout_ms });
}

/**
 * Opens (the writer: creates, with its directory) the database file.
 * Throws Problem 'storage-failed' that names the file and the reason when it is no database, is locked, may not be
 * written, or cannot be made durable.
 */
export function openConnection(options: ConnectionOptions): Connection {
  let connection: Connection | undefined;
  try {
    connection = connect(options);
    prepareConnection(connection, options);
    return connection;
  } catch (error) {
    connection?.close();
    throw namesFile(error, options.file);
  }
}

/** Errors of the file system (no permission, not a directory) name their path, but not always ours. */
function namesFile(error: unknown, file: string): unknown {
  const problem = toStorageProblem(error, file);
  if (problem instanceof Problem) return problem;
  const reason = error instanceof Error ? error.message : String(error);
  return new Problem('storage-failed', `${file} cannot be opened or created: ${reason}`, { cause: error });
}
