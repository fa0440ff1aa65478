/** One call of classify: its rows wait and are judged independently, its answer is whole or an error. */

/** A row of a request, waiting or being judged. */
export interface Entry {
  readonly request: Request;
  readonly index: number;
  readonly ids: Int32Array;
  readonly length: number;
  /** Rows of different keys never share a batch. */
  key: string;
  readonly adapter: string | null;
  readonly since: number;
  attempts: number;
}

/** What is asked of all rows of a request. */
export interface Asked {
  readonly adapter: string | null;
  /** Lets rows share a batch with those of other adapters. */
  readonly mix?: string | undefined;
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
    { adapter, mix, deadline = Number.POSITIVE_INFINITY }: Asked,
    since: number,
  ) {
    this.deadline = deadline;
    this.#left = rows.length;
    this.#logits = rows.map(() => null);
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const key = mix === undefined ? `adapter ${adapter}` : `mix ${mix}`;
    this.entries = rows.map((ids, index) => ({
      request: this,
      index,
      ids,
      length: ids.length,
      key,
      adapter,
      since,
      attempts: 0,
    }));
  }

  /** `logits` null: not finite. */
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
