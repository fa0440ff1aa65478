import { type Kysely, type Migration, sql } from 'kysely';

const TIME = "glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'";
const LABELS = sql.raw("('supports', 'refutes', 'neutral')");

/** The columns of what counts now, and of what once did. */
function correctionTable(db: Kysely<unknown>, name: string) {
  return db.schema
    .createTable(name)
    .addColumn('id', 'text', (col) => col.notNull().primaryKey())
    .addColumn('external_id', 'text', (col) => col.unique())
    .addColumn('prediction_id', 'text')
    .addColumn('pair_id', 'text')
    .addColumn('edge_id', 'text')
    .addColumn('page_id', 'text')
    .addColumn('premise', 'text', (col) => col.notNull())
    .addColumn('nli_hypothesis', 'text', (col) => col.notNull())
    .addColumn('original_label', 'text', (col) => col.notNull().check(sql`original_label in ${LABELS}`))
    .addColumn('original_confidence', 'real', (col) => col.notNull().check(sql`original_confidence between 0 and 1`))
    .addColumn('original_raw_label', 'text')
    .addColumn('correct_label', 'text', (col) => col.notNull().check(sql`correct_label in ${LABELS}`))
    .addColumn('confidence_source', 'text', (col) =>
      col.notNull().check(sql`confidence_source in ('recorded', 'claimed', 'judged')`),
    )
    .addColumn('reviewer', 'text', (col) => col.notNull())
    .addColumn('reason', 'text')
    .addColumn('review_source', 'text', (col) =>
      col.notNull().check(sql`review_source in ('volunteered', 'random', 'disagreement', 'low_margin')`),
    )
    .addColumn('model_digest', 'text')
    .addColumn('adapter_digest', 'text')
    .addColumn('key_id', 'text')
    .addColumn('content_sha256', 'text', (col) => col.notNull())
    .addColumn('pair_sha256', 'text', (col) => col.notNull())
    .addColumn('created_at', 'text', (col) => col.notNull().check(sql`created_at ${sql.raw(TIME)}`));
}

async function createTables(db: Kysely<unknown>): Promise<void> {
  await correctionTable(db, 'nli_corrections')
    .modifyEnd(sql`strict`)
    .execute();
  await correctionTable(db, 'nli_correction_history')
    .addColumn('ended_at', 'text', (col) => col.notNull())
    .addColumn('ended_by', 'text', (col) => col.notNull().check(sql`ended_by in ('replaced', 'withdrawn')`))
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createTable('idempotency_keys')
    .addColumn('key', 'text', (col) => col.notNull())
    .addColumn('route', 'text', (col) => col.notNull())
    .addColumn('key_id', 'text', (col) => col.notNull())
    .addColumn('body_sha256', 'text', (col) => col.notNull())
    .addColumn('answer', 'text', (col) => col.notNull())
    .addColumn('created_at', 'text', (col) => col.notNull())
    .addPrimaryKeyConstraint('idempotency_keys_key', ['key', 'route', 'key_id'])
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createTable('page_sides')
    .addColumn('group_key', 'text', (col) => col.notNull().primaryKey())
    .addColumn('side', 'text', (col) => col.notNull().check(sql`side in ('train', 'validation')`))
    .addColumn('decided_at', 'text', (col) => col.notNull())
    .modifyEnd(sql`strict, without rowid`)
    .execute();
}

/** name → columns of nli_corrections. */
const INDICES = {
  corrections_by_time: ['created_at', 'id'],
  corrections_by_page: ['page_id', 'created_at', 'id'],
  corrections_by_pair: ['pair_sha256'],
} as const;

async function createIndices(db: Kysely<unknown>): Promise<void> {
  for (const [name, columns] of Object.entries(INDICES)) {
    await db.schema
      .createIndex(name)
      .on('nli_corrections')
      .columns([...columns])
      .execute();
  }
  await db.schema
    .createIndex('correction_history_by_time')
    .on('nli_correction_history')
    .columns(['created_at', 'id'])
    .execute();
  await db.schema.createIndex('idempotency_keys_by_time').on('idempotency_keys').column('created_at').execute();
  // What no judgement is known of is one thing by its pair and page.
  await sql`create unique index corrections_once on nli_corrections (prediction_id, reviewer)
    where prediction_id is not null`.execute(db);
  await sql`create unique index corrections_of_pair_once on nli_corrections (pair_sha256, coalesce(page_id, ''), reviewer)
    where prediction_id is null`.execute(db);
}

export const corrections: Migration = {
  async up(db) {
    await createTables(db);
    await createIndices(db);
  },
};
