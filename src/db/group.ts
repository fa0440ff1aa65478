/** Group commit: what waits is written together, so that one fsync pays for all of it. */
import type { Kysely } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Connection } from './connection.js';
import { packFailure, sqliteCode, toStorageProblem } from './failures.js';
import type { Reply, UnitRequest } from './messages.js';
import type { Schema } from './schema.js';

/** A named piece of work that reads and writes as one: it happens wholly or not at all. It awaits nothing but queries. */
export type Unit<I, O> = (db: Kysely<Schema>, input: I) => Promise<O>;

/** Units by name. The input is checked where `run` is called, by the type of the same table. */
export type Units = Readonly<Record<string, Unit<never, unknown>>>;

export interface Job {
  readonly id: number;
  readonly request: UnitRequest;
}

export interface GroupResult {
  readonly replies: readonly Reply[];
  /** Set when the disk failed under a commit: what reached it is unknown, and nothing may be written on top. */
  readonly stopped: string | null;
}

export interface GroupContext {
  readonly connection: Connection;
  readonly db: Kysely<Schema>;
  readonly units: Units;
}

async function runUnit({ db, units }: GroupContext, { name, input }: UnitRequest): Promise<unknown> {
  const unit = Object.hasOwn(units, name) ? units[name] : undefined;
  if (unit === undefined) throw new Error(`there is no unit of work named ${name}`);
  return await unit(db, input as never);
}

/** One unit in its savepoint. Throws only when SQLite has given up the whole transaction. */
async function attempt(context: GroupContext, { id, request }: Job): Promise<Reply> {
  const { connection } = context;
  connection.exec('savepoint unit');
  try {
    const output = await runUnit(context, request);
    failpoint('group.unit.done');
    connection.exec('release unit');
    return { id, ok: true, output };
  } catch (error) {
    if (!connection.inTransaction) throw error;
    connection.exec('rollback to unit; release unit');
    return { id, ok: false, failure: packFailure(toStorageProblem(error, connection.name)) };
  }
}

/** The disk failed under a commit: what reached it is unknown. */
class CommitLost extends Error {}

function commit(connection: Connection): void {
  try {
    connection.exec('commit');
  } catch (error) {
    throw sqliteCode(error) === 'SQLITE_IOERR' ? new CommitLost('a commit was lost', { cause: error }) : error;
  }
}

function refuseGroup(connection: Connection, jobs: readonly Job[], error: unknown): GroupResult {
  if (connection.inTransaction) connection.exec('rollback');
  const lost = error instanceof CommitLost;
  const failure = packFailure(toStorageProblem(lost ? error.cause : error, connection.name));
  return { replies: jobs.map(({ id }) => ({ id, ok: false, failure })), stopped: lost ? failure.message : null };
}

/**
 * Runs `jobs` in one transaction and answers all after its commit. A unit that throws undoes its own writes only; when the
 * transaction as a whole fails, each job is answered with that failure. Throws only when not even a rollback works.
 */
export async function commitGroup(context: GroupContext, jobs: readonly Job[]): Promise<GroupResult> {
  const { connection } = context;
  try {
    connection.exec('begin immediate');
    failpoint('group.begun');
    const replies: Reply[] = [];
    for (const job of jobs) replies.push(await attempt(context, job));
    failpoint('group.commit.before');
    commit(connection);
    failpoint('group.commit.after');
    return { replies, stopped: null };
  } catch (error) {
    return refuseGroup(connection, jobs, error);
  }
}
