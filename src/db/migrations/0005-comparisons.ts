import { type Kysely, type Migration, sql } from 'kysely';

const time = (column: string) => sql`${sql.ref(column)} glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'`;

/** Adapter columns that are null mean the base model alone. */
async function createComparisons(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('shadow_comparisons')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('state', 'text', (col) =>
      col.notNull().check(sql`state in ('queued', 'running', 'succeeded', 'failed')`),
    )
    .addColumn('base_digest', 'text', (col) => col.notNull())
    .addColumn('old_adapter_id', 'text')
    .addColumn('old_version', 'text')
    .addColumn('old_digest', 'text')
    .addColumn('new_adapter_id', 'text')
    .addColumn('new_version', 'text')
    .addColumn('new_digest', 'text')
    .addColumn('run_id', 'text')
    .addColumn('attempt', 'integer', (col) => col.notNull())
    .addColumn('report', 'text')
    .addColumn('verdict', 'text', (col) =>
      col.check(sql`verdict in ('recommend', 'do_not_recommend', 'not_enough_data')`),
    )
    .addColumn('old_accuracy', 'real')
    .addColumn('new_accuracy', 'real')
    .addColumn('recommend_deploy', 'integer')
    .addColumn('error', 'text')
    .addColumn('created_at', 'text', (col) => col.notNull().check(time('created_at')))
    .addColumn('started_at', 'text', (col) => col.check(time('started_at')))
    .addColumn('ended_at', 'text', (col) => col.check(time('ended_at')))
    .modifyEnd(sql`strict`)
    .execute();
}

/** One runs at a time, whoever asks; and a promotion finds the newest of two adapters at once. */
async function createIndices(db: Kysely<unknown>): Promise<void> {
  await sql`create unique index shadow_comparisons_running on shadow_comparisons (state)
    where state = 'running'`.execute(db);
  await sql`create index shadow_comparisons_queued on shadow_comparisons (seq)
    where state in ('queued', 'running')`.execute(db);
  await sql`create index shadow_comparisons_by_adapters on shadow_comparisons
    (new_adapter_id, old_adapter_id, seq)`.execute(db);
}

export const comparisons: Migration = {
  async up(db) {
    await createComparisons(db);
    await createIndices(db);
  },
};
