/** The worker that only reads: lists and streams, on connections that WAL keeps out of the writer's way. */
import { type Connection, openConnection } from './connection.js';
import { cachedPrepare, type Prepare } from './dialect.js';
import { packFailure, toStorageProblem } from './failures.js';
import type { Envelope, OpenRequest, QueryRequest, Replies, Request } from './messages.js';
import { Streams } from './streams.js';
import type { Server } from './writer.js';

class Reader implements Server {
  readonly #connection: Connection;
  readonly #prepare: Prepare;
  readonly #streams: Streams;
  readonly #post: (replies: Replies) => void;

  constructor(options: OpenRequest, post: (replies: Replies) => void) {
    this.#connection = openConnection(options);
    this.#prepare = cachedPrepare(this.#connection);
    this.#streams = new Streams(() => openConnection(options), options.stream_idle_ms);
    this.#post = post;
  }

  handle({ id, request }: Envelope): void {
    try {
      this.#answer({ id, ok: true, output: this.#output(request) });
    } catch (error) {
      this.#answer({ id, ok: false, failure: packFailure(toStorageProblem(error, this.#connection.name)) });
    }
  }

  close(): Promise<void> {
    this.#streams.closeAll();
    this.#connection.close();
    return Promise.resolve();
  }

  #answer(reply: Replies['replies'][number]): void {
    this.#post({ replies: [reply], group: false, stopped: null });
  }

  #output(request: Request): unknown {
    if (request.kind === 'query') return this.#query(request);
    if (request.kind === 'open-stream') return this.#streams.open(request.sql, request.parameters);
    if (request.kind === 'read-stream') return this.#streams.read(request.stream, request.rows);
    if (request.kind === 'close-stream') return this.#streams.close(request.stream);
    throw new Error(`the reader takes no ${request.kind}`);
  }

  #query({ sql, parameters }: QueryRequest): unknown[] {
    const statement = this.#prepare(sql);
    if (!statement.readonly) throw new Error('queries only read: a write is a unit of work, see Database.run');
    return statement.all(...parameters);
  }
}

export function openReader(options: OpenRequest, post: (replies: Replies) => void): Server {
  return new Reader(options, post);
}
