/** Open scans of the reading worker. Each has its own connection, so its old snapshot never shows in a list. */
import { randomInt } from 'node:crypto';
import type { Connection } from './connection.js';
import { Problem } from '../errors.js';

interface Stream {
  readonly connection: Connection;
  readonly rows: IterableIterator<unknown>;
  readonly idle: NodeJS.Timeout;
}

export class Streams {
  readonly #open = new Map<number, Stream>();
  readonly #connect: () => Connection;
  readonly #idleMs: number;
  /** Drawn, so that a worker in the place of this one does not take its scans for its own. */
  #last = randomInt(2 ** 47);

  /** A scan not read for `idleMs` is closed: while it lives, the write-ahead log cannot be emptied. */
  constructor(connect: () => Connection, idleMs: number) {
    this.#connect = connect;
    this.#idleMs = idleMs;
  }

  open(sql: string, parameters: readonly unknown[]): number {
    const connection = this.#connect();
    const stream = (this.#last += 1);
    try {
      const rows = connection.prepare<unknown[]>(sql).iterate(...parameters);
      const idle = setTimeout(() => this.close(stream), this.#idleMs);
      this.#open.set(stream, { connection, rows, idle });
      return stream;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** The next rows, at most `count`; none at the end. */
  read(stream: number, count: number): unknown[] {
    const found = this.#open.get(stream);
    if (found === undefined) throw new Problem('unavailable', 'the scan was closed, for it was not read for too long');
    found.idle.refresh();
    const rows: unknown[] = [];
    while (rows.length < count) {
      const next = found.rows.next();
      if (next.done === true) break;
      rows.push(next.value);
    }
    return rows;
  }

  close(stream: number): void {
    const found = this.#open.get(stream);
    if (found === undefined) return;
    this.#open.delete(stream);
    clearTimeout(found.idle);
    found.rows.return?.();
    found.connection.close();
  }

  closeAll(): void {
    for (const stream of this.#open.keys()) this.close(stream);
  }
}
