import { type Kysely, type Migration, sql } from 'kysely';

const TIME = sql.raw("glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'");

/** Keys are never removed: what they did goes by their ids. */
async function createKeys(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('api_keys')
    .addColumn('id', 'text', (col) => col.primaryKey().notNull())
    .addColumn('role', 'text', (col) => col.notNull().check(sql`role in ('upstream', 'reviewer', 'operator', 'admin')`))
    .addColumn('name', 'text')
    .addColumn('sha256', 'blob', (col) => col.notNull().check(sql`length(sha256) = 32`))
    .addColumn('previous_sha256', 'blob')
    .addColumn('previous_until', 'text', (col) => col.check(sql`previous_until ${TIME}`))
    .addColumn('created_at', 'text', (col) => col.notNull().check(sql`created_at ${TIME}`))
    .addColumn('rotated_at', 'text', (col) => col.check(sql`rotated_at ${TIME}`))
    .addColumn('revoked_at', 'text', (col) => col.check(sql`revoked_at ${TIME}`))
    .addCheckConstraint('previous_for_a_time', sql`(previous_sha256 is null) = (previous_until is null)`)
    .modifyEnd(sql`strict`)
    .execute();
  await sql`create trigger api_keys_stay before delete on api_keys
    begin select raise(abort, 'API keys are revoked, not removed'); end`.execute(db);
  await sql`create index predictions_by_key on predictions (key_id, created_at, seq)
    where key_id is not null`.execute(db);
}

async function createAuditLog(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit_log')
    .addColumn('seq', 'integer', (col) => col.primaryKey().notNull())
    .addColumn('at', 'text', (col) => col.notNull().check(sql`at ${TIME}`))
    .addColumn('actor', 'text', (col) => col.notNull())
    .addColumn('role', 'text', (col) => col.notNull())
    .addColumn('act', 'text', (col) => col.notNull())
    .addColumn('subject_type', 'text', (col) => col.notNull())
    .addColumn('subject_id', 'text')
    .addColumn('detail', 'text', (col) => col.notNull().check(sql`json_valid(detail)`))
    .addColumn('hash', 'text', (col) => col.notNull().check(sql`length(hash) = 64`))
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createTable('audit_head')
    .addColumn('one', 'integer', (col) => col.primaryKey().check(sql`one = 1`))
    .addColumn('seq', 'integer', (col) => col.notNull())
    .addColumn('hash', 'text', (col) => col.notNull().check(sql`length(hash) = 64`))
    .modifyEnd(sql`strict`)
    .execute();
  await sql`insert into audit_head values (1, 0, ${'0'.repeat(64)})`.execute(db);
}

/** Rows are added at the end and stay as they are; the head follows by itself. */
async function createAuditGuards(db: Kysely<unknown>): Promise<void> {
  await sql`create trigger audit_log_never_changes before update on audit_log
    begin select raise(abort, 'the audit log is not changed'); end`.execute(db);
  await sql`create trigger audit_log_never_shrinks before delete on audit_log
    begin select raise(abort, 'the audit log is not shortened'); end`.execute(db);
  await sql`create trigger audit_log_grows_at_its_end before insert on audit_log
    when new.seq is not (select seq + 1 from audit_head)
    begin select raise(abort, 'the audit log grows at its end only'); end`.execute(db);
  await sql`create trigger audit_log_moves_its_head after insert on audit_log
    begin update audit_head set seq = new.seq, hash = new.hash; end`.execute(db);
  await sql`create trigger audit_head_never_goes_back before update on audit_head
    when new.seq <> old.seq + 1 or not exists (select 1 from audit_log where seq = new.seq and hash = new.hash)
    begin select raise(abort, 'the head of the audit log is that of its last row'); end`.execute(db);
  await sql`create trigger audit_head_stays before delete on audit_head
    begin select raise(abort, 'the audit log has a head'); end`.execute(db);
}

export const access: Migration = {
  async up(db) {
    await createKeys(db);
    await createAuditLog(db);
    await createAuditGuards(db);
  },
};
