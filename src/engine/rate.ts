/** How fast a child is, as its latest batches show: some seconds of work count, a single batch hardly does. */

/** Of this much work the oldest is forgotten. */
const MEMORY_MS = 5000;
/** What the measurement at the start counts for. */
const SEED_MS = 1000;

export class Rate {
  #ms = SEED_MS;
  #tokens: number;

  constructor(tokensPerSecond: number) {
    this.#tokens = (tokensPerSecond * SEED_MS) / 1000;
  }

  get tokensPerSecond(): number {
    return (1000 * this.#tokens) / this.#ms;
  }

  /** A batch of so many tokens took so long. */
  add(tokens: number, ms: number): void {
    const kept = Math.exp(-ms / MEMORY_MS);
    this.#tokens = this.#tokens * kept + tokens;
    this.#ms = this.#ms * kept + ms;
  }
}
