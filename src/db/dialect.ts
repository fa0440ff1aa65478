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
import { failpoint } from '../failpoints.js';
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

class LocalDriver extends SqliteDriver {
  readonly #connection: Connection;

  constructor(config: SqliteDialectConfig, connection: Connection) {
    super(config);
    this.#connection = connection;
  }

  /** Takes the write lock first, so that what a transaction read is still true when it writes. */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    failpoint('migration.commit.before');
    await super.commitTransaction(connection);
    failpoint('migration.commit.after');
  }

  /** After an I/O error SQLite has rolled back by itself; trying again would hide that error behind another one. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#connection.inTransaction) await super.rollbackTransaction(connection);
  }
}

class LocalDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    const config = { database: { prepare: cachedPrepare(connection), close: () => connection.close() } };
    super(config);
    this.#config = config;
    this.#connection = connection;
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalAdapter();
  }

  override createDriver(): Driver {
    return new LocalDriver(this.#config, this.#connection);
  }
}

/** Queries run at once on `connection`, on the calling thread. */
export function localKysely<S>(connection: Connection): Kysely<S> {
  return new Kysely<S>({ dialect: new LocalDialect(connection) });
}
