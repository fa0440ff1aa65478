/** The audit log: a row for each write act, in the act's own transaction, each chained to the one before by its hash. */
import { createHash } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Actor } from '../roles.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { AuditLogTable, Schema } from './schema.js';

export type Act =
  | `correction.${'create' | 'replace' | 'withdraw' | 'import'}`
  | `run.${'start' | 'cancel' | 'end'}`
  | `adapter.${'train' | 'import' | 'promote' | 'rollback' | 'fallback'}`
  | `comparison.${'start' | 'end'}`
  | `key.${'create' | 'rotate' | 'revoke'}`
  | 'erasure'
  | 'webhook.replay'
  | `live-shadow.${'set' | 'end'}`;

export interface AuditEntry extends Actor {
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  readonly act: Act;
  readonly subject_type:
    'correction' | 'training_run' | 'adapter' | 'comparison' | 'key' | 'page' | 'pair' | 'delivery' | 'service';
  readonly subject_id: string | null;
  /** Ids, counts and words of ours. No text of a pair and no key: the log can never be erased. */
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

export type AuditRow = Selectable<AuditLogTable>;

/** The hash before the first row. */
export const NO_HASH = '0'.repeat(64);

/** SHA-256 (hex) over a JSON array of the hash of the row before and every column of this one. */
export function auditHash(previous: string, row: Omit<AuditRow, 'hash'>): string {
  const { seq, at, actor, role, act, subject_type, subject_id, detail } = row;
  const text = JSON.stringify([previous, seq, at, actor, role, act, subject_type, subject_id, detail]);
  return createHash('sha256').update(text).digest('hex');
}

/** SQLite takes 32,766 parameters in a statement; a row has 9. */
const ROWS_PER_STATEMENT = 1000;

/** To be called in the unit of work that does the act, so that the one is never on disk without the other. */
export async function appendAudit(db: Kysely<Schema>, ...entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const head = await db.selectFrom('audit_head').select(['seq', 'hash']).executeTakeFirstOrThrow();
  let { seq, hash } = head;
  const rows = entries.map(({ at, actor, role, act, subject_type, subject_id, detail }): AuditRow => {
    seq += 1;
    const row = { seq, at, actor, role, act, subject_type, subject_id, detail: JSON.stringify(detail) };
    hash = auditHash(hash, row);
    return { ...row, hash };
  });
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT)
    await db
      .insertInto('audit_log')
      .values(rows.slice(from, from + ROWS_PER_STATEMENT))
      .execute();
  failpoint('audit.written');
}

export interface AuditItem extends Omit<AuditRow, 'detail'> {
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listAudit(db: Kysely<Schema>, page: PageRequest): Promise<Page<AuditItem>> {
  const read = ({ before, limit }: Stretch) =>
    db.selectFrom('audit_log').selectAll().where('seq', '<', before).orderBy('seq', 'desc').limit(limit).execute();
  return newestFirst(page, read, (row) => ({ ...row, detail: JSON.parse(row.detail) as AuditItem['detail'] }));
}
