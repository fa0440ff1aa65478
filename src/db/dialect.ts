/** Kysely over a connection in the same thread: for units of work and migrations, inside the worker. */
import type Sqlite from 'better-sqlite3';
import {
  CompiledQuery,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  Kysely,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  type SqliteDialectConfig,
} from 'kysely';
import type { Connection } from './connection.js';

const CACHED_STATEMENTS = 256;

export type Prepare = (sql: string) => Sqlite.Statement<unknown[]>;

/** Preparing costs more than running a small statement, and the service knows few: the latest used ones are kept. */
export function cachedPrepare(connection: Connection): Prepare {
  const statements = new Map<string, Sqlite.Statement<unknown[]>>();
  return (sql) => {
    const statement = statements.get(sql) ?? connection.prepare<unknown[]>(sql);
    statements.delete(sql);
    statements.set(sql, statement);
    const [oldest] = statements.keys();
    if (statements.size > CACHED_STATEMENTS && oldest !== undefined) statements.delete(oldest);
    return statement;
  };
}

/** SQLite's DDL is transactional, which Kysely does not assume: so all of a start's migrations happen or none. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** `begin immediate` takes the write lock first, so that what a transaction read is still true when it writes. */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }
}

class LocalDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;

  constructor(config: SqliteDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }

  override createDriver(): Driver {
    return new ImmediateDriver(this.#config);
  }
}

/** Queries run at once on `connection`, on the calling thread. */
export function localKysely<S>(connection: Connection): Kysely<S> {
  const prepare = cachedPrepare(connection);
  return new Kysely<S>({ dialect: new LocalDialect({ database: { prepare, close: () => connection.close() } }) });
}
