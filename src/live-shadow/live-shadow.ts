/** The use case behind /live-shadow: a candidate judges a share of the live traffic beside what is active, unseen. */
import { newestShadow } from '../db/live-shadows.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { Shadow, Shadowed } from '../judge/parts.js';
import type { Actor } from '../roles.js';
import { Activation } from './activation.js';
import { openNotes, type ShadowNotes } from './notes.js';
import type { LiveShadowParts } from './parts.js';
import { type LiveShadowState, NEVER, stateOf } from './state.js';

export interface SetRequest {
  /** A version, an id or a digest; null switches it off. */
  readonly candidate: string | null;
  /** The share of pairs, above 0 and up to 1; a tenth by default. */
  readonly rate?: number;
  readonly by: Actor;
}

export interface LiveShadow extends Shadow {
  /** What is counted so far, all that was answered before this call included. */
  get(): Promise<LiveShadowState>;
  /**
   * Resolves when it is on disk and every child is ready. Rejects with Problem 'unprocessable' for an adapter that is not
   * there, 'conflict' for one that is active, of another base model or cannot be used, 'unavailable'.
   */
  set(request: SetRequest): Promise<LiveShadowState>;
  /** Writes down what was counted. */
  close(): Promise<void>;
}

const DEFAULT_RATE = 0.1;

/** Goes on with what was on when the process ended, in the background. */
export function openLiveShadow(parts: LiveShadowParts): LiveShadow {
  const shadow = new OpenShadow(parts);
  shadow.look();
  return shadow;
}

class OpenShadow implements LiveShadow {
  readonly #parts: LiveShadowParts;
  readonly #notes: ShadowNotes;
  readonly #activation: Activation;
  #looking = false;
  #closed = false;
  /** One change after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: LiveShadowParts) {
    const { database, labels, counted, log } = parts;
    this.#parts = parts;
    const failed = (error: unknown): void => log.error({ err: error }, 'the live shadow could not be recorded');
    this.#notes = openNotes({ database, labels, counted, failed });
    this.#activation = new Activation({ ...parts, notes: this.#notes, failing: (seq) => this.#endFailing(seq) });
  }

  take(adapter: AdapterRef | null, rows: number): Shadowed | null {
    const { on } = this.#activation;
    if (on === null || !on.ready) return null;
    if ((adapter?.digest ?? null) !== on.row.against_digest) return this.look();
    return on.take(rows);
  }

  /** Looks what is on, soon: the active adapter moved, or a process before this one left something. */
  look(): null {
    if (this.#looking || this.#closed) return null;
    this.#looking = true;
    this.#inTurn(() => this.#activation.adopt())
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'the live shadow could not be started'))
      .finally(() => (this.#looking = false));
    return null;
  }

  async get(): Promise<LiveShadowState> {
    await this.#notes.flush();
    const newest = await newestShadow(this.#parts.database.kysely);
    if (newest === undefined) return NEVER;
    const { row, counts } = newest;
    const { on } = this.#activation;
    const open = row.ended_at === null ? row.seq : undefined;
    if (open !== on?.row.seq) this.look();
    return stateOf(row, counts, on?.row.seq === row.seq && on.ready);
  }

  async set({ candidate, rate = DEFAULT_RATE, by }: SetRequest): Promise<LiveShadowState> {
    await this.#inTurn(async () => {
      if (candidate === null) await this.#activation.end({ because: 'switched-off', by });
      else await this.#activation.begin(candidate, rate, by);
    });
    return await this.get();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#activation.close();
    await this.#turn;
    await this.#notes.flush();
  }

  #endFailing(seq: number): void {
    this.#inTurn(() => this.#activation.end({ because: 'failing', seq })).catch((error: unknown) =>
      this.#parts.log.error({ err: error }, 'the live shadow could not be ended'),
    );
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}
