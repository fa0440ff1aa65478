import { type Kysely, type Migration, sql } from 'kysely';

const TIME = (column: string) => sql`${sql.ref(column)} glob '[0-9][0-9][0-9][0-9]-??-??T??:??:??.???Z'`;

/** One row per adapter and base model; the files lie in the adapters directory under the digest. */
async function createAdapters(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('adapters')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('id', 'text', (col) => col.notNull().unique())
    .addColumn('version', 'text', (col) => col.notNull())
    .addColumn('digest', 'text', (col) => col.notNull())
    .addColumn('config_sha256', 'text', (col) => col.notNull())
    .addColumn('weights_sha256', 'text', (col) => col.notNull())
    .addColumn('base_digest', 'text', (col) => col.notNull())
    .addColumn('base_model', 'text', (col) => col.notNull())
    .addColumn('origin', 'text', (col) => col.notNull().check(sql`origin in ('trained', 'imported')`))
    .addColumn('run_id', 'text')
    .addColumn('r', 'integer', (col) => col.notNull())
    .addColumn('lora_alpha', 'real', (col) => col.notNull())
    .addColumn('target_modules', 'text', (col) => col.notNull())
    .addColumn('created_at', 'text', (col) => col.notNull().check(TIME('created_at')))
    .addUniqueConstraint('adapters_version_of_base', ['base_digest', 'version'])
    .addUniqueConstraint('adapters_digest_of_base', ['base_digest', 'digest'])
    .modifyEnd(sql`strict`)
    .execute();
}

/** The newest row says what is active; none: the base model. Nothing is ever changed or taken out: triggers see to it. */
async function createAlias(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('adapter_alias')
    .addColumn('seq', 'integer', (col) => col.primaryKey().autoIncrement())
    .addColumn('adapter_id', 'text', (col) => col.references('adapters.id'))
    .addColumn('act', 'text', (col) => col.notNull().check(sql`act in ('promote', 'rollback', 'fallback')`))
    .addColumn('comparison_id', 'text')
    .addColumn('forced', 'integer', (col) => col.notNull())
    .addColumn('reason', 'text')
    .addColumn('actor', 'text', (col) => col.notNull())
    .addColumn('at', 'text', (col) => col.notNull().check(TIME('at')))
    .modifyEnd(sql`strict`)
    .execute();
  for (const change of ['update', 'delete'])
    await sql`create trigger ${sql.ref(`adapter_alias_no_${change}`)} before ${sql.raw(change)} on adapter_alias
      begin select raise(abort, 'adapter_alias only grows'); end`.execute(db);
}

export const adapters: Migration = {
  async up(db) {
    await createAdapters(db);
    await createAlias(db);
  },
};
