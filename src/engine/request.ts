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

export class Request {
  readonly answer: Promise<(Float32Array | null)[]>;
  readonly entries: readonly Entry[];
  readonly #logits: (Float32Array | null)[];
  #left: number;
  #resolve!: (logits: (Float32Array | null)[]) => void;
  #reject!: (reason: Error) => void;
  settled = false;

  /** `mix` lets rows share a batch with those of other adapters. */
  constructor(
    rows: readonly Int32Array[],
    { adapter, mix }: { adapter: string | null; mix: string | undefined },
    since: number,
  ) {
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
