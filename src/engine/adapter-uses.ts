/** The adapters that children are given: one that is forgotten stays until the last request that needs it is settled. */
import type { AdapterTensors } from '../graph/adapter-feeds.js';

export class AdapterUses {
  readonly #tensors = new Map<string, AdapterTensors>();
  readonly #users = new Map<string, number>();
  readonly #forgotten = new Set<string>();
  readonly #onUnused: (digest: string) => void;

  /** `onUnused` is told when a forgotten adapter is needed no more. */
  constructor(onUnused: (digest: string) => void) {
    this.#onUnused = onUnused;
  }

  /** What a child must have, the forgotten that are still in use included. */
  get tensors(): ReadonlyMap<string, AdapterTensors> {
    return this.#tensors;
  }

  /** Whether a new request may have it. */
  has(digest: string): boolean {
    return this.#tensors.has(digest) && !this.#forgotten.has(digest);
  }

  hold(digest: string, tensors: AdapterTensors): void {
    this.#tensors.set(digest, tensors);
    this.#forgotten.delete(digest);
  }

  forget(digest: string): void {
    this.#forgotten.add(digest);
    if (!this.#users.has(digest)) this.#drop(digest);
  }

  use(digest: string): void {
    this.#users.set(digest, (this.#users.get(digest) ?? 0) + 1);
  }

  release(digest: string): void {
    const left = (this.#users.get(digest) ?? 1) - 1;
    if (left > 0) this.#users.set(digest, left);
    else this.#users.delete(digest);
    if (left === 0 && this.#forgotten.has(digest)) this.#drop(digest);
  }

  #drop(digest: string): void {
    this.#forgotten.delete(digest);
    if (this.#tensors.delete(digest)) this.#onUnused(digest);
  }
}
