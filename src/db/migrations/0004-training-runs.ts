import { type Kysely, type Migration, sql } from 'kysely';

const TIME = sql.raw("glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'");
const ENDED = sql.raw("('succeeded', 'failed', 'cancelled')");

async function createRuns(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('training_runs')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('state', 'text', (col) =>
      col.notNull().check(sql`state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')`),
    )
    .addColumn('started_by', 'text', (col) => col.notNull().check(sql`started_by in ('request', 'trigger')`))
    .addColumn('actor', 'text')
    .addColumn('base_model', 'text', (col) => col.notNull())
    .addColumn('base_digest', 'text', (col) => col.notNull())
    .addColumn('parameters', 'text', (col) => col.notNull())
    .addColumn('manifest', 'text', (col) => col.notNull())
    .addColumn('counts', 'text', (col) => col.notNull())
    .addColumn('progress', 'text')
    .addColumn('adapter_id', 'text')
    .addColumn('comparison_id', 'text')
    .addColumn('error', 'text')
    .addColumn('seed', 'integer', (col) => col.notNull())
    .addColumn('attempt', 'integer', (col) => col.notNull())
    .addColumn('crashes', 'integer', (col) => col.notNull())
    .addColumn('created_at', 'text', (col) => col.notNull().check(sql`created_at ${TIME}`))
    .addColumn('started_at', 'text', (col) => col.check(sql`started_at ${TIME}`))
    .addColumn('ended_at', 'text', (col) => col.check(sql`ended_at ${TIME}`))
    .addCheckConstraint('ended_when_over', sql`(ended_at is not null) = (state in ${ENDED})`)
    .addCheckConstraint('failed_for_a_reason', sql`(error is not null) = (state = 'failed')`)
    .addCheckConstraint(
      'succeeded_with_its_fruits',
      sql`state <> 'succeeded' or (adapter_id is not null and comparison_id is not null)`,
    )
    .modifyEnd(sql`strict`)
    .execute();
}

/** One run at a time per base model; a run ends once and is never reopened. */
async function createGuards(db: Kysely<unknown>): Promise<void> {
  await sql`create unique index one_running_run on training_runs (base_digest) where state = 'running'`.execute(db);
  await sql`create index training_runs_by_base on training_runs (base_digest, seq)`.execute(db);
  await sql`create trigger training_run_ends_once before update on training_runs when old.state in ${ENDED}
    begin select raise(abort, 'the training run has ended'); end`.execute(db);
  await sql`create trigger training_run_begins_queued before insert on training_runs when new.state <> 'queued'
    begin select raise(abort, 'a training run begins in the queue'); end`.execute(db);
  await sql`create trigger training_run_starts_before_it_ends before update on training_runs
    when old.state = 'queued' and new.state = 'succeeded'
    begin select raise(abort, 'a training run that never ran cannot succeed'); end`.execute(db);
}

async function createParts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('training_run_events')
    .addColumn('run_id', 'text', (col) => col.notNull().references('training_runs.id'))
    .addColumn('seq', 'integer', (col) => col.notNull())
    .addColumn('at', 'text', (col) => col.notNull().check(sql`at ${TIME}`))
    .addColumn('event', 'text', (col) => col.notNull())
    .addPrimaryKeyConstraint('training_run_events_key', ['run_id', 'seq'])
    .modifyEnd(sql`strict, without rowid`)
    .execute();
  await db.schema
    .createTable('training_run_corrections')
    .addColumn('run_id', 'text', (col) => col.notNull().references('training_runs.id'))
    .addColumn('correction_id', 'text', (col) => col.notNull())
    .addColumn('side', 'text', (col) => col.notNull().check(sql`side in ('train', 'validation')`))
    .addColumn('used', 'integer', (col) => col.notNull().check(sql`used in (0, 1)`))
    .addPrimaryKeyConstraint('training_run_corrections_key', ['run_id', 'correction_id'])
    .modifyEnd(sql`strict, without rowid`)
    .execute();
}

export const trainingRuns: Migration = {
  async up(db) {
    await createRuns(db);
    await createGuards(db);
    await createParts(db);
  },
};
