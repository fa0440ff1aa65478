/** Makes the children ready for adapters and mixes: one thing at a time, one child after the other, so that the others answer. */
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import { AdapterUses } from './adapter-uses.js';
import { mixOf } from './seats.js';
import { unavailable } from './settling.js';
import type { Given, Slot } from './slot.js';

export class Preparing {
  readonly uses = new AdapterUses((digest) => this.slots.forEach(({ child }) => child.forget(digest)));
  readonly slots: readonly Slot[];
  readonly #mixes = new Map<string, readonly (string | null)[]>();
  /** Adapters that every child has had the time to load. */
  readonly #loaded = new Set<string>();
  readonly #onFree: () => void;
  #turns: Promise<void> = Promise.resolve();

  /** `start` makes the slots, which read what they are given at each start; `onFree`: one of them takes batches again. */
  constructor(start: (given: Given) => readonly Slot[], onFree: () => void) {
    this.#onFree = onFree;
    this.slots = start({ adapters: this.uses.tensors, mixes: this.#mixes });
  }

  /** Whether a new request may have the adapter. */
  isLoaded(digest: string): boolean {
    return this.#loaded.has(digest) && this.uses.has(digest);
  }

  /** As Engine.hold. */
  async hold(digest: string, tensors: AdapterTensors): Promise<void> {
    this.uses.hold(digest, tensors);
    const wanted = (): boolean => this.uses.has(digest) && this.uses.tensors.get(digest) === tensors;
    try {
      await this.#inTurn(() => this.#holdEach(digest, tensors, wanted));
    } catch (error) {
      if (wanted()) this.forget(digest);
      throw unavailable('the adapter could not be loaded', error as Error);
    }
  }

  /**
   * A child that starts is not waited for, unless all do: one has to vouch for the adapter. One that starts and then cannot
   * have what the others answer with is of no use.
   */
  async #holdEach(digest: string, tensors: AdapterTensors, wanted: () => boolean): Promise<void> {
    const refuseForgotten = (): void => {
      if (!wanted()) throw new Error('it was forgotten before it was loaded');
    };
    await this.#each(async (slot) => {
      refuseForgotten();
      const held = slot.child.hold(digest, tensors);
      if (slot.state !== 'starting' || !this.#someRun()) return held;
      slot.tell(held.catch((error: unknown) => (wanted() ? Promise.reject(error) : undefined)));
    });
    refuseForgotten();
    this.#loaded.add(digest);
  }

  forget(digest: string): void {
    this.#loaded.delete(digest);
    this.uses.forget(digest);
  }

  /** As Engine.mix. */
  async mix(adapters: readonly (string | null)[]): Promise<void> {
    const name = mixOf(adapters);
    this.#mixes.set(name, adapters);
    await this.#inTurn(() => this.#mixEach(name, adapters)).catch((error: Error) => {
      this.unmix(adapters);
      throw unavailable('the adapters could not be mixed', error);
    });
  }

  /** One that starts and cannot mix takes no riders. */
  #mixEach(name: string, adapters: readonly (string | null)[]): Promise<void> {
    return this.#each(async (slot) => {
      const mixed = slot.mix(name, adapters);
      if (slot.state !== 'starting') return mixed;
      slot.tell(mixed.catch(() => undefined));
    });
  }

  unmix(adapters: readonly (string | null)[]): void {
    const name = mixOf(adapters);
    this.#mixes.delete(name);
    for (const { mixes } of this.slots) mixes.delete(name);
  }

  #someRun(): boolean {
    return this.slots.some(({ state }) => state !== 'starting');
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turns.then(work);
    this.#turns = done.catch(() => undefined);
    return done;
  }

  /**
   * No batch goes to the child whose turn it is: opening a session may take it a second. A child that starts takes none
   * either before it has done what it was told. When one dies, the next in its place is started with what it was told.
   */
  async #each(prepare: (slot: Slot) => Promise<void>): Promise<void> {
    for (const slot of this.slots) {
      const { child } = slot;
      slot.reserved = this.slots.length > 1;
      try {
        await prepare(slot);
      } catch (error) {
        if (child.connected) throw error;
      } finally {
        slot.reserved = false;
        this.#onFree();
      }
    }
  }
}
