/** Errors of SQLite in our words, and errors across the threads' border: Problem stays Problem. */
import Sqlite from 'better-sqlite3';
import { Problem } from '../errors.js';
import type { Failure } from './messages.js';

/** SQLite's primary result codes that are the storage's fault, not the caller's. */
const REASONS: Readonly<Record<string, string>> = {
  SQLITE_BUSY: 'is locked by another process',
  SQLITE_LOCKED: 'is locked by another connection',
  SQLITE_NOMEM: 'needs more memory than there is',
  SQLITE_READONLY: 'may not be written',
  SQLITE_IOERR: 'met an input/output error',
  SQLITE_CORRUPT: 'is damaged',
  SQLITE_FULL: 'has no space left to grow',
  SQLITE_CANTOPEN: 'cannot be opened or created',
  SQLITE_PROTOCOL: 'cannot be locked on this file system',
  SQLITE_NOTADB: 'is not a SQLite database',
  SQLITE_PERM: 'may not be accessed',
};

/** `SQLITE_IOERR_FSYNC` → `SQLITE_IOERR`; null for what SQLite did not throw. */
export function sqliteCode(error: unknown): string | null {
  return error instanceof Sqlite.SqliteError ? error.code.split('_').slice(0, 2).join('_') : null;
}

/**
 * The storage's own trouble becomes Problem 'storage-failed', or 'storage-full', that names the file and why; anything
 * else stays itself.
 */
export function toStorageProblem(error: unknown, file: string): unknown {
  const primary = sqliteCode(error) ?? '';
  const reason = REASONS[primary];
  if (reason === undefined || !(error instanceof Error)) return error;
  const code = primary === 'SQLITE_FULL' ? 'storage-full' : 'storage-failed';
  return new Problem(code, `${file} ${reason}: ${error.message}`, { cause: error });
}

/** A plain record of an error, for postMessage. */
export function packFailure(error: unknown): Failure {
  if (error instanceof Problem) {
    const { code, message, errors, retryAfter } = error;
    return { kind: 'problem', code, message, errors, ...(retryAfter === undefined ? {} : { retryAfter }) };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: 'error', message, ...(stack === undefined ? {} : { stack }) };
}

export function unpackFailure(failure: Failure): Error {
  if (failure.kind === 'problem') return new Problem(failure.code, failure.message, failure);
  const error = new Error(failure.message);
  if (failure.stack !== undefined) error.stack = failure.stack;
  return error;
}
