import { type Kysely, type Migration, sql } from 'kysely';

const TIME = sql.raw("glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'");

async function addLease(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('training_runs').addColumn('lease_owner', 'text').execute();
  await db.schema
    .alterTable('training_runs')
    .addColumn('lease_until', 'text', (col) => col.check(sql`lease_until ${TIME}`))
    .execute();
  await sql`create trigger training_run_token_rises before update of attempt on training_runs
    when new.attempt < old.attempt
    begin select raise(abort, 'the fencing token of a training run only rises'); end`.execute(db);
  await sql`create trigger training_run_runs_on_a_lease before update on training_runs
    when new.state = 'running' and (new.lease_owner is null or new.lease_until is null)
    begin select raise(abort, 'a training run runs on a lease'); end`.execute(db);
}

/** The saved states that count. A file without its row is nobody's. */
async function createCheckpoints(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('training_run_checkpoints')
    .addColumn('run_id', 'text', (col) => col.notNull().references('training_runs.id'))
    .addColumn('epoch', 'integer', (col) => col.notNull().check(sql`epoch > 0`))
    .addColumn('attempt', 'integer', (col) => col.notNull())
    .addColumn('sha256', 'text', (col) => col.notNull())
    .addColumn('at', 'text', (col) => col.notNull().check(sql`at ${TIME}`))
    .addPrimaryKeyConstraint('training_run_checkpoints_key', ['run_id', 'epoch'])
    .modifyEnd(sql`strict, without rowid`)
    .execute();
  for (const act of ['insert', 'update'])
    await sql`create trigger ${sql.raw(`training_run_checkpoint_${act}_fenced`)}
      before ${sql.raw(act)} on training_run_checkpoints
      when not exists (select 1 from training_runs
        where id = new.run_id and attempt = new.attempt and state = 'running')
      begin select raise(abort, 'the training run is not this attempt''s any more'); end`.execute(db);
}

export const leases: Migration = {
  async up(db) {
    await addLease(db);
    await createCheckpoints(db);
  },
};
