/** Work that is done one piece after the other, in the background, until none is left. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../errors.js';

/** Does the next piece; resolves with false when there was none. Tells of its own failures before it throws them. */
export type Next = (signal: AbortSignal) => Promise<boolean>;

/** What threw is tried again after this. */
const RETRY_MS = 5000;

export class Line {
  readonly #next: Next;
  readonly #retryMs: number;
  readonly #closing = new AbortController();
  #work: Promise<void> | null = null;
  #woken = false;
  #turn = turn();

  constructor(next: Next, retryMs = RETRY_MS) {
    this.#next = next;
    this.#retryMs = retryMs;
  }

  /** There may be more to do. */
  wake(): void {
    this.#woken = true;
    if (this.#closing.signal.aborted) return;
    this.#work ??= this.#run();
  }

  /** Looks again after each piece until `look` finds something. Rejects with Problem 'unavailable' on closing. */
  async until<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const { done } = this.#turn;
      const found = await look();
      if (found !== undefined) return found;
      this.#closing.signal.throwIfAborted();
      await done;
    }
  }

  /** Resolves when the piece under way has stopped. */
  async close(): Promise<void> {
    this.#closing.abort(new Problem('unavailable', 'the service is shutting down'));
    await this.#work;
    this.#turn.end();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#woken && !signal.aborted) {
      this.#woken = false;
      const more = await this.#next(signal).catch(() => this.#later(signal));
      this.#woken ||= more;
      this.#endTurn();
    }
    this.#work = null;
  }

  async #later(signal: AbortSignal): Promise<boolean> {
    await sleep(this.#retryMs, undefined, { signal }).catch(() => undefined);
    return true;
  }

  #endTurn(): void {
    const { end } = this.#turn;
    this.#turn = turn();
    end();
  }
}

interface Turn {
  readonly done: Promise<void>;
  readonly end: () => void;
}

function turn(): Turn {
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (end = resolve));
  return { done, end };
}
