import { type Kysely, type Migration, sql } from 'kysely';

/**
 * Texts and revisions are kept apart and referred to by small integers: new ones are appended at the end of every index
 * but one, so that recording touches few pages, and a row is a third of what it would be with its digests in it.
 */
async function createParents(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('texts')
    .addColumn('id', 'integer', (col) => col.primaryKey())
    .addColumn('sha256', 'blob', (col) => col.notNull().unique())
    .addColumn('text', 'text', (col) => col.notNull())
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createTable('revisions')
    .addColumn('id', 'integer', (col) => col.primaryKey())
    .addColumn('model', 'text', (col) => col.notNull())
    .addColumn('model_digest', 'text', (col) => col.notNull())
    .addColumn('adapter_id', 'text')
    .addColumn('adapter_version', 'text')
    .addColumn('adapter_digest', 'text')
    .modifyEnd(sql`strict`)
    .execute();
}

async function createPredictions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('predictions')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('pair_id', 'text', (col) => col.notNull())
    .addColumn('page_id', 'text')
    .addColumn('premise_id', 'integer', (col) => col.notNull().references('texts.id'))
    .addColumn('hypothesis_id', 'integer', (col) => col.notNull().references('texts.id'))
    .addColumn('revision_id', 'integer', (col) => col.notNull().references('revisions.id'))
    .addColumn('label', 'text', (col) => col.notNull().check(sql`label in ('supports', 'refutes', 'neutral')`))
    .addColumn('raw_label', 'text', (col) => col.notNull())
    .addColumn('confidence', 'real', (col) => col.notNull())
    .addColumn('margin', 'real', (col) => col.notNull())
    .addColumn('scores', 'text', (col) => col.notNull())
    .addColumn('truncated', 'integer', (col) => col.notNull())
    .addColumn('latency_ms', 'real', (col) => col.notNull())
    .addColumn('key_id', 'text')
    .addColumn('created_at', 'text', (col) =>
      col.notNull().check(sql`created_at glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'`),
    )
    .modifyEnd(sql`strict`)
    .execute();
}

/** name → columns. Every index ends in the order lists are read in, and carries what filters look at beside it. */
const INDICES = {
  predictions_by_time: ['created_at', 'seq', 'label', 'confidence', 'revision_id'],
  predictions_by_page: ['page_id', 'created_at', 'seq'],
  predictions_by_pair: ['pair_id', 'created_at', 'seq'],
  predictions_by_margin: ['margin', 'seq'],
  predictions_by_texts: ['premise_id', 'hypothesis_id'],
  predictions_by_hypothesis: ['hypothesis_id'],
} as const;

async function createIndices(db: Kysely<unknown>): Promise<void> {
  for (const [name, columns] of Object.entries(INDICES)) {
    await db.schema
      .createIndex(name)
      .on('predictions')
      .columns([...columns])
      .execute();
  }
}

export const predictions: Migration = {
  async up(db) {
    await createParents(db);
    await createPredictions(db);
    await createIndices(db);
  },
};
