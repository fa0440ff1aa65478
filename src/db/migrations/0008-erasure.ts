import { type Kysely, type Migration, sql } from 'kysely';

const TIME = sql.raw("glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'");

/** What was erased, without its text: an erasure that is cut short goes on where it was, and still knows all it removed. */
async function createErasures(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('erasures')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('kind', 'text', (col) => col.notNull().check(sql`kind in ('page', 'pair')`))
    .addColumn('subject', 'text', (col) => col.notNull())
    .addColumn('reason', 'text', (col) => col.notNull())
    .addColumn('actor', 'text')
    .addColumn('predictions', 'integer', (col) => col.notNull())
    .addColumn('texts', 'integer', (col) => col.notNull())
    .addColumn('answers', 'integer', (col) => col.notNull())
    .addColumn('flips', 'integer', (col) => col.notNull())
    .addColumn('started_at', 'text', (col) => col.notNull().check(sql`started_at ${TIME}`))
    .addColumn('ended_at', 'text', (col) => col.check(sql`ended_at ${TIME}`))
    .modifyEnd(sql`strict`)
    .execute();
  await sql`create unique index erasures_open on erasures (kind, subject) where ended_at is null`.execute(db);
  await db.schema
    .createTable('erased_corrections')
    .addColumn('erasure_id', 'text', (col) => col.notNull().references('erasures.id'))
    .addColumn('correction_id', 'text', (col) => col.notNull())
    .addPrimaryKeyConstraint('erased_corrections_key', ['erasure_id', 'correction_id'])
    .modifyEnd(sql`strict, without rowid`)
    .execute();
  await sql`create index training_runs_of_correction on training_run_corrections (correction_id) where used = 1`.execute(
    db,
  );
}

export const erasure: Migration = { up: createErasures };
