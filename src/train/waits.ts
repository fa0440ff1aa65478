/** What runs of this process wait for. Kept in memory: a disk that is full takes no note of it. */

export interface Wait {
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly since: string;
}

export class Waits {
  readonly #waits = new Map<string, Wait>();
  readonly #now: () => string;

  constructor(now: () => string) {
    this.#now = now;
  }

  /** A wait that has begun already began then. */
  begin(run: string, reason: string): void {
    this.#waits.set(run, { reason, since: this.#waits.get(run)?.since ?? this.#now() });
  }

  end(run: string): void {
    this.#waits.delete(run);
  }

  of(run: string): Wait | null {
    return this.#waits.get(run) ?? null;
  }
}
