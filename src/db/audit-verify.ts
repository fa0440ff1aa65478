/** Whether the audit log of a database file is whole: every hash computed again, from the first row to the head. */
import Sqlite from 'better-sqlite3';
import { Problem } from '../errors.js';
import { auditHash, type AuditRow, NO_HASH } from './audit.js';
import { toStorageProblem } from './failures.js';

export interface AuditReport {
  /** Rows that are as they were written, from the first on. */
  readonly rows: number;
  /** The hash of the last of them: noted elsewhere, it also tells a log that was made anew as a whole. */
  readonly hash: string;
  /** What is wrong, the first fault first; none: the log is whole. */
  readonly faults: readonly string[];
}

/** A row and hash that were noted outside the database. */
export interface Anchor {
  readonly seq: number;
  readonly hash: string;
}

const GUARDS = [
  'audit_log_never_changes',
  'audit_log_never_shrinks',
  'audit_log_grows_at_its_end',
  'audit_log_moves_its_head',
  'audit_head_never_goes_back',
  'audit_head_stays',
];

/** One statement sees one state of the file, whatever is written meanwhile. A log without rows still gives its head. */
const ROWS = `
  select head.seq as head_seq, head.hash as head_hash, log.*
  from audit_head as head left join audit_log as log on true order by log.seq`;

type Read = { readonly head_seq: number; readonly head_hash: string } & (AuditRow | Record<keyof AuditRow, null>);

/** What ends the walk at the first row that is not as it was written. */
function rowFault(row: AuditRow, previous: Anchor): string | null {
  const expected = previous.seq + 1;
  if (row.seq > expected) return `row ${expected} is missing: the next one there is ${row.seq}`;
  if (row.seq < expected) return `row ${row.seq} is none that was written here`;
  if (row.hash === auditHash(previous.hash, row)) return null;
  return `row ${row.seq} (${row.at}, ${row.act}) is not as it was written, or not what stood in its place`;
}

function headFault(last: Anchor, head: Anchor | null): string | null {
  if (head === null) return 'the head of the log is missing';
  if (head.seq > last.seq) return `rows ${last.seq + 1} to ${head.seq} are missing at the end`;
  if (head.seq < last.seq) return `rows ${head.seq + 1} to ${last.seq} were added past the head of the log`;
  return head.hash === last.hash ? null : `the head of the log is not the hash of row ${last.seq}`;
}

function walk(rows: Iterable<Read>, anchor: Anchor | null): AuditReport {
  let last: Anchor = { seq: 0, hash: NO_HASH };
  let head: Anchor | null = null;
  let anchored = anchor === null || (anchor.seq === 0 && anchor.hash === NO_HASH);
  const report = (...faults: (string | null)[]): AuditReport => ({
    rows: last.seq,
    hash: last.hash,
    faults: faults.filter((fault) => fault !== null),
  });
  for (const { head_seq, head_hash, ...row } of rows) {
    head = { seq: head_seq, hash: head_hash };
    if (row.seq === null) continue;
    const fault = rowFault(row, last);
    if (fault !== null) return report(fault);
    last = { seq: row.seq, hash: row.hash };
    anchored ||= last.seq === anchor?.seq && last.hash === anchor.hash;
  }
  return report(headFault(last, head), anchored ? null : `row ${anchor?.seq} has not the hash that was noted`);
}

function missingGuards(connection: Sqlite.Database): string[] {
  const rows = connection.prepare<[], { name: string }>(`select name from sqlite_schema where type = 'trigger'`).all();
  const present = new Set(rows.map(({ name }) => name));
  return GUARDS.filter((name) => !present.has(name)).map((name) => `the guard ${name} is missing from the database`);
}

/**
 * Reads the file only; it may be in use. A log that was made anew as a whole by somebody who may write the file is whole
 * in itself: only an `anchor` that was noted elsewhere tells it.
 * Throws Problem 'storage-failed' that names the file: no database, damaged, without an audit log.
 */
export function verifyAudit(file: string, anchor: Anchor | null = null): AuditReport {
  let connection: Sqlite.Database | undefined;
  try {
    connection = new Sqlite(file, { readonly: true, fileMustExist: true });
    const report = walk(connection.prepare<[], Read>(ROWS).iterate(), anchor);
    return { ...report, faults: [...report.faults, ...missingGuards(connection)] };
  } catch (error) {
    const problem = toStorageProblem(error, file);
    if (problem instanceof Problem) throw problem;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Problem('storage-failed', `${file} has no audit log that can be read: ${reason}`, { cause: error });
  } finally {
    connection?.close();
  }
}
