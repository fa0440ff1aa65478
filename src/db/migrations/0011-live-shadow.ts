import { type Kysely, type Migration, sql } from 'kysely';

const TIME = sql.raw("glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'");
const LABEL = sql.raw("in ('supports', 'refutes', 'neutral')");

/** One row for each time that one candidate judged beside one active adapter; against columns that are null: the base model. */
async function createShadows(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('live_shadows')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('base_digest', 'text', (col) => col.notNull())
    .addColumn('candidate_id', 'text', (col) => col.notNull())
    .addColumn('candidate_version', 'text', (col) => col.notNull())
    .addColumn('candidate_digest', 'text', (col) => col.notNull())
    .addColumn('against_id', 'text')
    .addColumn('against_version', 'text')
    .addColumn('against_digest', 'text')
    .addColumn('rate', 'real', (col) => col.notNull().check(sql`rate > 0 and rate <= 1`))
    .addColumn('actor', 'text', (col) => col.notNull())
    .addColumn('since', 'text', (col) => col.notNull().check(sql`since ${TIME}`))
    .addColumn('ended_at', 'text', (col) => col.check(sql`ended_at ${TIME}`))
    .addColumn('ended_because', 'text')
    .addColumn('dropped', 'integer', (col) => col.notNull())
    .addColumn('failed', 'integer', (col) => col.notNull())
    .addCheckConstraint('ended_for_a_reason', sql`(ended_at is null) = (ended_because is null)`)
    .modifyEnd(sql`strict`)
    .execute();
  await sql`create unique index one_live_shadow on live_shadows ((1)) where ended_at is null`.execute(db);
}

/** A disagreement has no text of its own and goes with its judgement. */
async function createFindings(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('live_shadow_counts')
    .addColumn('shadow_seq', 'integer', (col) => col.notNull().references('live_shadows.seq'))
    .addColumn('active_label', 'text', (col) => col.notNull().check(sql`active_label ${LABEL}`))
    .addColumn('candidate_label', 'text', (col) => col.notNull().check(sql`candidate_label ${LABEL}`))
    .addColumn('pairs', 'integer', (col) => col.notNull())
    .addPrimaryKeyConstraint('live_shadow_counts_key', ['shadow_seq', 'active_label', 'candidate_label'])
    .modifyEnd(sql`strict, without rowid`)
    .execute();
  await db.schema
    .createTable('shadow_disagreements')
    .addColumn('prediction_seq', 'integer', (col) => col.primaryKey().references('predictions.seq').onDelete('cascade'))
    .addColumn('shadow_seq', 'integer', (col) => col.notNull().references('live_shadows.seq'))
    .addColumn('active_margin', 'real', (col) => col.notNull())
    .addColumn('candidate_label', 'text', (col) => col.notNull().check(sql`candidate_label ${LABEL}`))
    .addColumn('candidate_confidence', 'real', (col) => col.notNull())
    .addColumn('candidate_scores', 'text', (col) => col.notNull())
    .modifyEnd(sql`strict`)
    .execute();
  await sql`create index shadow_disagreements_by_margin on shadow_disagreements (active_margin, prediction_seq)`.execute(
    db,
  );
}

export const liveShadow: Migration = {
  async up(db) {
    await createShadows(db);
    await createFindings(db);
  },
};
