/** Moves what the log (WAL) holds into the database file, now and then, so that the log stays short. */
import type { Connection } from './connection.js';
import { packFailure, sqliteCode, toStorageProblem } from './failures.js';

/** As SQLite's own. */
const PAGES = 1000;

interface Log {
  readonly log: number;
  readonly checkpointed: number;
}

const ask = (connection: Connection, mode: 'noop' | 'passive'): Log =>
  (connection.pragma(`wal_checkpoint(${mode})`) as readonly [Log])[0];

/**
 * Moves the log when it has grown. Why nothing may be written any more, or null: after a failed write or fsync of the file
 * nobody knows what of it is on the disk, and the log that still holds it must not be written over. A full disk only
 * makes the log longer.
 */
export function moveLog(connection: Connection): string | null {
  try {
    const { log, checkpointed } = ask(connection, 'noop');
    if (log - checkpointed >= PAGES) ask(connection, 'passive');
    return null;
  } catch (error) {
    if (sqliteCode(error) !== 'SQLITE_IOERR') return null;
    return packFailure(toStorageProblem(error, connection.name)).message;
  }
}
