/** One call of classify: its rows wait and are judged independently, its answer is whole or an error. */

import type { Rider } from './engine.js';

/** A row of a request, waiting or being judged. */
export interface Entry {
  readonly request: Request;
  readonly index: number;
  readonly ids: Int32Array;
  readonly length: number;
  /** Rows of different keys never share a batch. */
  key: string;
  /** Who judges the row, all of them in one batch. */
  readonly adapters: readonly (string | null)[];
  /** Who may judge it too; undefined once it was told. */
  rider: Rider | undefined;
  readonly since: number;
  attempts: number;
}

/** What is asked of all rows of a request. */
export interface Judged {
  readonly adapters: readonly (string | null)[];
  /** By row. */
  readonly riders?: readonly (Rider | undefined)[];
  /** In the clock of performance.now(); none by default. */
  readonly deadline?: number | undefined;
}

export class Request {
  readonly answer: Promise<(Float32Array | null)[]>;
  readonly entries: readonly Entry[];
  readonly #logits: (Float32Array | null)[];
  readonly deadline: number;
  #left: number;
  #resolve!: (logits: (Float32Array | null)[]) => void;
  #reject!: (reason: Error) => void;
  settled = false;

  constructor(
    rows: readonly Int32Array[],
    { adapters, riders, deadline = Number.POSITIVE_INFINITY }: Judged,
    since: number,
  ) {
    this.deadline = deadline;
    this.#left = rows.length * adapters.length;
    this.#logits = Array.from({ length: this.#left }, () => null);
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const key = `adapters ${adapters.join()}`;
    this.entries = rows.map((ids, index) => ({
      request: this,
      index,
      ids,
      length: ids.length,
      key,
      adapters,
      rider: riders?.[index],
      since,
      attempts: 0,
    }));
  }

  /** Row by row, and in each by its adapters. `logits` null: not finite. */
  fill(index: number, logits: Float32Array | null): void {
    this.#logits[index] = logits;
    this.#left -= 1;
    if (this.#left > 0 || this.settled) return;
    this.settled = true;
    this.#resolve(this.#logits);
  }

  fail(reason: Error): void {
    this.settled = true;
    this.#reject(reason);
  }
}
