/** Kysely on the main thread: compiles queries here and has them run by the reading worker. */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Link } from './link.js';

const STREAMED_ROWS = 100;

class RemoteConnection implements DatabaseConnection {
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    return { rows: (await this.#link.call({ kind: 'query', sql, parameters })) as R[] };
  }

  async *streamQuery<R>(
    { sql, parameters }: CompiledQuery,
    rows = STREAMED_ROWS,
  ): AsyncIterableIterator<QueryResult<R>> {
    const stream = (await this.#link.call({ kind: 'open-stream', sql, parameters })) as number;
    try {
      for (;;) {
        const next = (await this.#link.call({ kind: 'read-stream', stream, rows })) as R[];
        if (next.length === 0) return;
        yield { rows: next };
      }
    } finally {
      await this.#link.call({ kind: 'close-stream', stream }).catch(() => undefined);
    }
  }
}

function refuseTransaction(): Promise<never> {
  return Promise.reject(new Error('a transaction is a unit of work: see Database.run'));
}

function remoteDriver(link: Link): Driver {
  const connection = new RemoteConnection(link);
  return {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(connection),
    releaseConnection: () => Promise.resolve(),
    beginTransaction: refuseTransaction,
    commitTransaction: refuseTransaction,
    rollbackTransaction: refuseTransaction,
    destroy: () => Promise.resolve(),
  };
}

/** Any number of queries may wait at once; each sees all that was committed before it ran. */
export function remoteKysely<S>(link: Link): Kysely<S> {
  return new Kysely<S>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => remoteDriver(link),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}
