/** Brings a database to the present schema, all of it or nothing, also when two processes start together. */
import { type Kysely, type KyselyPlugin, type Migration, Migrator, sql } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';

export type Migrations = Readonly<Record<string, Migration>>;

async function executedMigrations(db: Kysely<unknown>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === 'kysely_migration')) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** An older Errata must not write into a schema it does not know. */
async function refuseNewer(db: Kysely<unknown>, migrations: Migrations, file: string): Promise<void> {
  const unknown = (await executedMigrations(db)).filter((name) => !Object.hasOwn(migrations, name));
  if (unknown.length === 0) return;
  throw new Problem(
    'storage-failed',
    `${file} was written by a newer version of Errata, whose migrations this one lacks: ${unknown.join(', ')}`,
  );
}

const STATEMENTS: KyselyPlugin = {
  transformQuery: ({ node }) => {
    failpoint('migration.statement.before');
    return node;
  },
  transformResult: ({ result }) => {
    failpoint('migration.statement.after');
    return Promise.resolve(result);
  },
};

const marked = (migrations: Migrations): Record<string, Migration> =>
  Object.fromEntries(
    Object.entries(migrations).map(([name, { up }]) => [
      name,
      {
        up: async (db: Kysely<unknown>) => {
          failpoint('migration.begun');
          await up(db);
          failpoint('migration.ended');
        },
      },
    ]),
  );

/**
 * Runs what `migrations` has and the database has not, in the order of names, in one transaction. The transaction takes
 * SQLite's write lock before it looks, so a second process waits for the first and then finds nothing to do.
 * Throws Problem 'storage-failed' that names `file` for a database of a newer version and for a migration that fails.
 */
export async function migrate(db: Kysely<unknown>, migrations: Migrations, file: string): Promise<void> {
  await refuseNewer(db, migrations, file);
  const provider = { getMigrations: () => Promise.resolve(marked(migrations)) };
  const { error } = await new Migrator({ db: db.withPlugin(STATEMENTS), provider }).migrateToLatest();
  if (error === undefined) return;
  const reason = error instanceof Error ? error.message : 'unknown';
  throw new Problem('storage-failed', `${file} could not be brought to the present schema: ${reason}`, {
    cause: error,
  });
}
