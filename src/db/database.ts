/** The door of src/db: one SQLite file, written by one worker thread and read by another. */
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { sqliteFile } from '../database-url.js';
import { Problem } from '../errors.js';
import type { Unit, Units } from './group.js';
import { Link, type LinkLog } from './link.js';
import type { OpenRequest, Replies, Role } from './messages.js';
import { remoteKysely } from './remote.js';
import type { Schema } from './schema.js';
import type { units } from './units.js';

export type UnitInput<F> = F extends Unit<infer I, unknown> ? I : never;
export type UnitOutput<F> = F extends Unit<never, infer O> ? O : never;

export interface DatabaseHealth {
  /** `stopped`: a commit met an I/O error, or the file is gone; nothing is written until the process starts anew. */
  readonly writing: 'open' | 'restarting' | 'stopped';
  readonly reading: 'open' | 'restarting';
  /** Why writing is stopped. */
  readonly reason: string | null;
  /** Workers that died and were replaced. */
  readonly restarts: number;
  /** Commits so far, and the units of work in them: units / groups is how many share an fsync. */
  readonly groups: number;
  readonly units: number;
}

export interface Database<U extends Units = typeof units> {
  /** For reading: queries, lists, `.stream()`; a write or a transaction through it is refused. */
  readonly kysely: Kysely<Schema>;
  /**
   * Does the named unit of work as a whole or not at all; when it resolves, its writes are on disk. Rejects with what the
   * unit throws, or with Problem 'storage-failed' when it could not be committed.
   */
  run<N extends keyof U & string>(name: N, input: UnitInput<U[N]>): Promise<UnitOutput<U[N]>>;
  /**
   * Writes the file anew without what was deleted, traces in its free space included, and empties the log beside it.
   * Nothing else is written meanwhile; needs the file's size of free space twice. Rejects with Problem 'storage-failed',
   * and 'unavailable' when readers kept the log in use for a minute and a half.
   */
  rewrite(): Promise<void>;
  health(): DatabaseHealth;
  /** Finishes what was asked for, then closes the file. */
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** `sqlite:FILE`; the file and its directory are made when missing. */
  readonly url: string;
  readonly log?: LinkLog;
  /** How long another process's lock on the file is waited for; 5000 ms by default. */
  readonly busyTimeoutMs?: number;
  /** A stream that is not read for so long is closed; a minute by default. */
  readonly streamIdleMs?: number;
  /** The body of the worker threads: a compiled module that calls `serveWorker` with the units `U`. */
  readonly worker?: URL;
}

const SILENT: LinkLog = { info: () => undefined, error: () => undefined };
const WORKER = new URL('./worker.js', import.meta.url);

/** Commits and their units, as the writer tells them. */
class Tally {
  readonly #log: LinkLog;
  groups = 0;
  units = 0;
  stopped: string | null = null;

  constructor(log: LinkLog) {
    this.#log = log;
  }

  count({ replies, group, stopped }: Replies): void {
    if (stopped !== null && this.stopped === null) this.#stop(stopped);
    if (!group) return;
    this.groups += 1;
    this.units += replies.length;
  }

  #stop(reason: string): void {
    this.stopped = reason;
    this.#log.error({ reason }, 'nothing is written any more until the service starts anew');
  }
}

/**
 * Opens the database, brings it to the present schema and starts its threads.
 * Rejects with Problem 'storage-failed' that names the file and the reason: no database, damaged, locked by another
 * process, not writable, of a newer version.
 */
export async function openDatabase<U extends Units = typeof units>(options: DatabaseOptions): Promise<Database<U>> {
  const { log = SILENT, worker: script = WORKER, busyTimeoutMs = 5000, streamIdleMs = 60_000 } = options;
  const file = databaseFile(options.url);
  const tally = new Tally(log);
  const shared = { script, log, onReplies: (replies: Replies) => tally.count(replies) };
  const open = (role: Role): OpenRequest => ({
    kind: 'open',
    role,
    file,
    busy_timeout_ms: busyTimeoutMs,
    stream_idle_ms: streamIdleMs,
  });
  const writer = new Link({ ...shared, open: open('writer') });
  const reader = new Link({ ...shared, open: open('reader'), after: writer.ready() });
  await reader.ready().catch(async (error: unknown) => {
    await writer.close();
    throw error;
  });
  return join<U>(writer, reader, tally);
}

/** The absolute path of `sqlite:FILE`. Throws Problem storage-failed for any other address. */
export function databaseFile(url: string): string {
  const file = sqliteFile(url);
  if (file === null) throw new Problem('storage-failed', `${url} is not a database address such as sqlite:FILE`);
  return path.resolve(file);
}

function join<U extends Units>(writer: Link, reader: Link, tally: Tally): Database<U> {
  return {
    kysely: remoteKysely<Schema>(reader),
    async run(name, input) {
      if (tally.stopped !== null) throw new Problem('storage-failed', tally.stopped);
      return (await writer.call({ kind: 'unit', name, input })) as UnitOutput<U[typeof name]>;
    },
    async rewrite() {
      if (tally.stopped !== null) throw new Problem('storage-failed', tally.stopped);
      await rewrite(writer);
    },
    health: () => healthOf(writer, reader, tally),
    async close() {
      await reader.close();
      await writer.close();
    },
  };
}

/** A stream that nobody reads holds the log for a minute at most; planning a run of a million corrections for about two. */
const LOG_TRIES = 180;
const LOG_PAUSE_MS = 1000;

async function rewrite(writer: Link): Promise<void> {
  for (let tries = 0; tries < LOG_TRIES; tries++) {
    if (await writer.call({ kind: 'rewrite', pages: tries === 0 })) return;
    await setTimeout(LOG_PAUSE_MS);
  }
  throw new Problem('unavailable', 'readers keep the log of the database in use', { retryAfter: 60 });
}

function healthOf(writer: Link, reader: Link, { groups, units, stopped }: Tally): DatabaseHealth {
  const state = (link: Link) => (link.open ? 'open' : 'restarting');
  return {
    writing: stopped === null ? state(writer) : 'stopped',
    reading: state(reader),
    reason: stopped,
    restarts: writer.restarts + reader.restarts,
    groups,
    units,
  };
}
