import { type Kysely, type Migration, sql } from 'kysely';

const TIME = sql.raw("glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'");

/** What is to be told, written with what it tells of; a delivery for each target comes after. */
async function createOutbox(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('webhook_events')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('type', 'text', (col) => col.notNull())
    .addColumn('data', 'text', (col) => col.notNull())
    .addColumn('at', 'text', (col) => col.notNull().check(sql`at ${TIME}`))
    .addColumn('spread', 'integer', (col) => col.notNull().check(sql`spread in (0, 1)`))
    .modifyEnd(sql`strict`)
    .execute();
  await db.schema
    .createTable('webhook_deliveries')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('event_id', 'text', (col) => col.notNull().references('webhook_events.id'))
    .addColumn('target', 'text', (col) => col.notNull())
    .addColumn('state', 'text', (col) => col.notNull().check(sql`state in ('pending', 'delivered', 'failed')`))
    .addColumn('attempts', 'integer', (col) => col.notNull())
    .addColumn('next_at', 'text', (col) => col.check(sql`next_at ${TIME}`))
    .addColumn('give_up_at', 'text', (col) => col.notNull().check(sql`give_up_at ${TIME}`))
    .addColumn('last_at', 'text')
    .addColumn('last_status', 'integer')
    .addColumn('last_error', 'text')
    .addColumn('created_at', 'text', (col) => col.notNull().check(sql`created_at ${TIME}`))
    .addColumn('ended_at', 'text')
    .addUniqueConstraint('webhook_deliveries_once', ['event_id', 'target'])
    .addCheckConstraint('due_while_pending', sql`(next_at is not null) = (state = 'pending')`)
    .modifyEnd(sql`strict`)
    .execute();
  await sql`create index webhook_events_new on webhook_events (seq) where spread = 0`.execute(db);
  await sql`create index webhook_deliveries_due on webhook_deliveries (target, next_at) where state = 'pending'`.execute(
    db,
  );
}

export const outbox: Migration = { up: createOutbox };
