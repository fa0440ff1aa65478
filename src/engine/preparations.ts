/** What a child was asked to make ready and has not answered yet. */

interface Preparation {
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

export class Preparations {
  readonly #limitMs: number;
  readonly #onSilence: () => void;
  /** By the number of the message that asked for it: each has its own answer. */
  readonly #open = new Map<number, Preparation>();
  #watched = false;
  #watchdog: NodeJS.Timeout | undefined;

  /** `onSilence` is told when for so long none of what is asked was done. */
  constructor(limitMs: number, onSilence: () => void) {
    this.#limitMs = limitMs;
    this.#onSilence = onSilence;
  }

  /** From now on silence is noticed: a child's start has a limit of its own. */
  watch(): void {
    this.#watched = true;
    this.#listen();
  }

  /** Resolves or rejects as the child answers. */
  add(id: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      if (this.#open.size === 1) this.#listen();
    });
  }

  resolve(id: number): void {
    this.#take(id)?.resolve();
  }

  reject(id: number, reason: Error): void {
    this.#take(id)?.reject(reason);
  }

  rejectAll(reason: Error): void {
    for (const id of this.#open.keys()) this.reject(id, reason);
  }

  #take(id: number): Preparation | undefined {
    const preparation = this.#open.get(id);
    this.#open.delete(id);
    this.#listen();
    return preparation;
  }

  /** They are done one after the other, so time runs anew with each. */
  #listen(): void {
    clearTimeout(this.#watchdog);
    if (this.#watched && this.#open.size > 0) this.#watchdog = setTimeout(this.#onSilence, this.#limitMs);
  }
}
