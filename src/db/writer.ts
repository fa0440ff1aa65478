/** The worker that alone writes: queues units of work and commits them in groups. */
import { migrations } from './migrations/index.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Connection, openConnection } from './connection.js';
import { localKysely } from './dialect.js';
import { moveLog } from './checkpoint.js';
import { packFailure, sqliteCode, toStorageProblem } from './failures.js';
import { commitGroup, type GroupContext, type Job, type Units } from './group.js';
import type { Envelope, OpenRequest, Replies, Reply, RewriteRequest } from './messages.js';
import { migrate } from './migrate.js';
import type { Schema } from './schema.js';
import { watchFiles } from './watched-files.js';

/** A worker's part after it has opened its file. */
export interface Server {
  handle(envelope: Envelope): void;
  /** Resolves when everything taken before is answered and the connection is closed. */
  close(): Promise<void>;
}

/** More units in one commit would save little and keep the first ones waiting. */
const LARGEST_GROUP = 64;

/** What waits for the log keeps units waiting. */
const LOG_WAIT_MS = 200;

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

class Writer implements Server {
  readonly #context: GroupContext;
  /** What became of the files; null while they are in their places. */
  readonly #lostFiles: () => string | null;
  readonly #post: (replies: Replies) => void;
  readonly #jobs: Job[] = [];
  readonly #rewrites: (Pick<Job, 'id'> & Pick<RewriteRequest, 'pages'>)[] = [];
  #stopped: string | null = null;
  #draining: Promise<void> | null = null;

  constructor(context: GroupContext, post: (replies: Replies) => void) {
    this.#context = context;
    this.#lostFiles = watchFiles(context.connection.name);
    this.#post = post;
  }

  handle({ id, request }: Envelope): void {
    if (request.kind === 'rewrite') this.#rewrites.push({ id, pages: request.pages });
    else if (request.kind === 'unit') this.#jobs.push({ id, request });
    else throw new Error(`the writer takes no ${request.kind}`);
    this.#draining ??= this.#drain();
  }

  async close(): Promise<void> {
    await this.#draining;
    this.#context.connection.close();
  }

  /** Each turn of the event loop brings in what was posted meanwhile: that is the next group. A lone unit waits one turn. */
  async #drain(): Promise<void> {
    while (this.#jobs.length + this.#rewrites.length > 0) {
      await nextTurn();
      const jobs = this.#jobs.splice(0, LARGEST_GROUP);
      if (jobs.length === 0) this.#rewrite();
      else {
        this.#stopped ??= this.#lostFiles();
        if (this.#stopped === null) await this.#commit(jobs);
        else this.#refuse(jobs, this.#stopped);
      }
    }
    this.#draining = null;
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    const { replies, stopped } = await commitGroup(this.#context, jobs);
    this.#stopped = stopped;
    this.#post({ replies, group: true, stopped });
    failpoint('group.replied');
    if (stopped === null) this.#keepLogShort();
  }

  /** After the answers: what the log holds is on the disk already. */
  #keepLogShort(): void {
    this.#stopped = moveLog(this.#context.connection);
    if (this.#stopped !== null) this.#post({ replies: [], group: false, stopped: this.#stopped });
  }

  #rewrite(): void {
    for (const { id, pages } of this.#rewrites.splice(0)) {
      if (this.#stopped !== null) {
        this.#refuse([{ id }], this.#stopped);
        continue;
      }
      const { reply, stopped } = rewritten(this.#context.connection, id, pages);
      this.#stopped = stopped;
      this.#post({ replies: [reply], group: false, stopped });
    }
  }

  #refuse(jobs: readonly Pick<Job, 'id'>[], stopped: string): void {
    const failure = packFailure(new Problem('storage-failed', stopped));
    this.#post({ replies: jobs.map(({ id }) => ({ id, ok: false, failure })), group: false, stopped });
  }
}

/** The new pages are gathered in a temporary file: the whole database would be too much for the memory. */
function rewritten(
  connection: Connection,
  id: number,
  pages: boolean,
): { readonly reply: Reply; readonly stopped: string | null } {
  const settings = ['temp_store', 'busy_timeout'].map((name) => [name, connection.pragma(name, { simple: true })]);
  try {
    connection.pragma('temp_store = 1');
    connection.pragma(`busy_timeout = ${LOG_WAIT_MS}`);
    if (pages) connection.exec('vacuum');
    failpoint('rewrite.vacuumed');
    const [log] = connection.pragma('wal_checkpoint(truncate)') as { readonly busy: number }[];
    failpoint('rewrite.truncated');
    return { reply: { id, ok: true, output: log?.busy === 0 }, stopped: null };
  } catch (error) {
    const failure = packFailure(toStorageProblem(error, connection.name));
    const stopped = sqliteCode(error) === 'SQLITE_IOERR' ? failure.message : null;
    return { reply: { id, ok: false, failure }, stopped };
  } finally {
    for (const [name, value] of settings) connection.pragma(`${String(name)} = ${String(value)}`);
  }
}

/** Opens the file for writing and brings it to the present schema. */
export async function openWriter(
  options: OpenRequest,
  units: Units,
  post: (replies: Replies) => void,
): Promise<Server> {
  const connection = openConnection(options);
  const db = localKysely<Schema>(connection);
  try {
    await migrate(localKysely<unknown>(connection), migrations, options.file);
  } catch (error) {
    connection.close();
    throw toStorageProblem(error, options.file);
  }
  return new Writer({ connection, db, units }, post);
}
