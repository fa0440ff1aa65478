/** What runs of this process wait for. Kept in memory: a disk that is full takes no note of it. */

export interface Wait {
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly since: string;
}

/** Its child, with a state to save, and the service, with a note or a question: each may wait while the other goes on. */
export type Waiter = 'child' | 'service';

export class Waits {
  readonly #waits: Readonly<Record<Waiter, Map<string, Wait>>> = { child: new Map(), service: new Map() };
  readonly #now: () => string;

  constructor(now: () => string) {
    this.#now = now;
  }

  begin(run: string, waiter: Waiter, reason: string): void {
    this.#waits[waiter].set(run, { reason, since: this.#now() });
  }

  end(run: string, waiter: Waiter): void {
    this.#waits[waiter].delete(run);
  }

  /** Null when neither waits. */
  of(run: string): Wait | null {
    return this.#waits.service.get(run) ?? this.#waits.child.get(run) ?? null;
  }
}
