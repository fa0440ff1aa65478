/** The live shadow on disk and in this process: the children are ready for what the database says is on. */
import { type EndShadowInput, type LiveShadowRow, openShadow } from '../db/live-shadows.js';
import type { Actor } from '../roles.js';
import { findCandidate, unfit } from './candidate.js';
import type { ShadowNotes } from './notes.js';
import type { LiveShadowParts } from './parts.js';
import { Sampling } from './sampling.js';

type Parts = Pick<LiveShadowParts, 'database' | 'base' | 'now' | 'engine' | 'held' | 'random' | 'log'>;

export interface ActivationParts extends Parts {
  readonly notes: Pick<ShadowNotes, 'add'>;
  /** Called once for a live shadow whose candidate fails again and again, by its `seq`: it is to be ended. */
  readonly failing: (seq: number) => void;
}

/** Its changes must come one after the other. */
export class Activation {
  readonly #parts: ActivationParts;
  #on: Sampling | null = null;
  #closed = false;

  constructor(parts: ActivationParts) {
    this.#parts = parts;
  }

  /** What is on here, ready or not. */
  get on(): Sampling | null {
    return this.#on;
  }

  /** Nothing is sampled or begun from here on; what is on disk stays on. */
  close(): void {
    this.#closed = true;
    this.#on = null;
  }

  /** Puts a candidate in place of what is on. Rejects as `findCandidate`, 'conflict' for the active adapter, and as `adopt`. */
  async begin(name: string, rate: number, by: Actor): Promise<void> {
    const { database, base } = this.#parts;
    const candidate = await findCandidate(this.#parts, name);
    await database.run('setLiveShadow', { base_digest: base.digest, candidate, rate, at: this.#time(), by });
    await this.adopt();
  }

  /**
   * Takes over what the database says: lets go of one that ended, makes the children ready for one that is new. Ends one
   * that cannot go on, and rejects when the children cannot be made ready.
   */
  async adopt(): Promise<void> {
    const row = (await openShadow(this.#parts.database.kysely)) ?? null;
    if (row !== null && row.seq === this.#on?.row.seq && this.#on.ready) return;
    this.#release();
    if (row === null || this.#closed) return;
    const because = await unfit(this.#parts, row);
    if (because !== null) return await this.end({ because, seq: row.seq });
    await this.#switchOn(row);
  }

  async #switchOn(row: LiveShadowRow): Promise<void> {
    const { random, notes, failing } = this.#parts;
    const on = new Sampling(row, { random, notes, failing: () => failing(row.seq) });
    this.#on = on;
    await this.#prepare(row).catch(async (error: unknown) => {
      if (!this.#closed) await this.end({ because: 'unusable', seq: row.seq });
      throw error;
    });
    on.ready = true;
  }

  async #prepare(row: LiveShadowRow): Promise<void> {
    const { held, engine } = this.#parts;
    held.keep(row.candidate_digest);
    await held.use(row.candidate_digest, () => engine.mix(mixedOf(row)), { always: true });
  }

  #release(): void {
    if (this.#on !== null) this.#parts.engine.unmix(mixedOf(this.#on.row));
    this.#on = null;
    this.#parts.held.keep(null);
  }

  /** On disk, and lets go of what is on here. Where `seq` had ended already, what came in its place goes on. */
  async end(end: Omit<EndShadowInput, 'at'>): Promise<void> {
    const ended = await this.#parts.database.run('endLiveShadow', { ...end, at: this.#time() });
    // The act that ended it may have begun another, which nothing else would look for while none is on here.
    if (!ended && end.seq !== undefined) return await this.adopt();
    this.#release();
    if (ended) this.#parts.log.info({ because: end.because }, 'the live shadow ended');
  }

  #time(): string {
    return new Date(this.#parts.now()).toISOString();
  }
}

/** The adapters of one batch. */
const mixedOf = ({ against_digest, candidate_digest }: LiveShadowRow): readonly (string | null)[] => [
  against_digest,
  candidate_digest,
];
