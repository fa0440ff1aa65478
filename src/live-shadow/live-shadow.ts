/** The use case behind /live-shadow: a candidate judges a share of the live traffic beside what is active, unseen. */
import { getAdapter, type RegistryParts } from '../../adapters/registry.js';
import type { EndShadowInput, LiveShadowRow } from '../db/live-shadows.js';
import { newestShadow, openShadow } from '../db/live-shadows.js';
import type { ShadowEnd } from '../db/schema.js';
import type { Engine } from '../engine/engine.js';
import { Problem } from '../errors.js';
import type { HeldAdapters } from '../held-adapters.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { Shadow, Shadowed } from '../judge/parts.js';
import type { CheckpointLabel } from '../labels.js';
import { type LiveShadowState, NEVER, stateOf } from './state.js';
import type { Actor } from '../roles.js';
import { type Outcome, type ShadowNotes, openNotes } from './notes.js';
import type { Log } from '../log.js';

export type { LiveShadowState } from './state.js';

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

export interface LiveShadowParts extends Pick<RegistryParts, 'database' | 'base' | 'now'> {
  readonly engine: Pick<Engine, 'mix' | 'unmix'>;
  readonly held: Pick<HeldAdapters, 'use' | 'keep' | 'isUsable'>;
  /** What each logit stands for. */
  readonly labels: readonly CheckpointLabel[];
  /** Uniform in [0, 1): decides which pairs are sampled. */
  readonly random: () => number;
  readonly counted: (outcome: Outcome, pairs: number) => void;
  readonly log: Pick<Log, 'info' | 'error'>;
}

const DEFAULT_RATE = 0.1;
/** Requests in a row whose sampled pairs all failed: it may be what kills the children. */
const MOST_FAILURES = 3;

/** Goes on with what was on when the process ended, in the background. */
export function openLiveShadow(parts: LiveShadowParts): LiveShadow {
  const shadow = new OpenShadow(parts);
  shadow.look();
  return shadow;
}

interface On {
  readonly row: LiveShadowRow;
  readonly mixed: readonly (string | null)[];
  ready: boolean;
  /** Requests in a row. */
  failures: number;
}

class OpenShadow implements LiveShadow {
  readonly #parts: LiveShadowParts;
  readonly #notes: ShadowNotes;
  #on: On | null = null;
  #looking = false;
  #closed = false;
  /** One change after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: LiveShadowParts) {
    this.#parts = parts;
    const failed = (error: unknown): void => parts.log.error({ err: error }, 'the live shadow could not be recorded');
    this.#notes = openNotes({ database: parts.database, labels: parts.labels, counted: parts.counted, failed });
  }

  take(adapter: AdapterRef | null, rows: number): Shadowed | null {
    const on = this.#on;
    if (on === null || !on.ready) return null;
    if ((adapter?.digest ?? null) !== on.row.against_digest) return this.look();
    const outcomes: (Float32Array | 'dropped' | 'failed' | undefined)[] = [];
    const riders = Array.from({ length: rows }, (_, at) =>
      this.#parts.random() < on.row.rate
        ? { adapter: on.row.candidate_digest, done: (outcome: (typeof outcomes)[number]) => (outcomes[at] = outcome) }
        : undefined,
    );
    if (riders.every((rider) => rider === undefined)) return null;
    return {
      riders,
      answered: (judgements) => {
        this.#notes.add(on.row.seq, judgements, outcomes);
        this.#watch(on, outcomes);
      },
    };
  }

  /** Looks what is on, soon: the active adapter moved, or a process before this one left something. */
  look(): null {
    if (this.#looking || this.#closed) return null;
    this.#looking = true;
    this.#inTurn(() => this.#adopt())
      .catch((error: unknown) => this.#parts.log.error({ err: error }, 'the live shadow could not be started'))
      .finally(() => (this.#looking = false));
    return null;
  }

  async get(): Promise<LiveShadowState> {
    await this.#notes.flush();
    const newest = await newestShadow(this.#parts.database.kysely);
    if (newest === undefined) return NEVER;
    const open = newest.row.ended_at === null ? newest.row.seq : undefined;
    if (open !== this.#on?.row.seq) this.look();
    return stateOf(newest.row, newest.counts, this.#on?.row.seq === newest.row.seq && this.#on.ready);
  }

  async set({ candidate, rate = DEFAULT_RATE, by }: SetRequest): Promise<LiveShadowState> {
    await this.#inTurn(async () => {
      if (candidate === null) await this.#end({ because: 'switched-off', by });
      else await this.#begin(candidate, rate, by);
    });
    return await this.get();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#on = null;
    await this.#turn;
    await this.#notes.flush();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #begin(name: string, rate: number, by: Actor): Promise<void> {
    const { database, base } = this.#parts;
    const adapter = await getAdapter(this.#parts, name);
    if (adapter === undefined) throw nameless();
    if (adapter.base_digest !== base.digest)
      throw new Problem('conflict', `adapter ${adapter.version} belongs to another base model, ${adapter.base_model}`);
    const { id, version, digest } = adapter;
    await this.#probe({ id, version, digest });
    const candidate = { id, version, digest };
    await database.run('setLiveShadow', { base_digest: base.digest, candidate, rate, at: this.#time(), by });
    await this.#adopt();
  }

  async #probe({ version, digest }: AdapterRef): Promise<void> {
    if (!(await this.#parts.held.isUsable(digest)))
      throw new Problem('conflict', `adapter ${version} cannot be used: its answers are not finite`);
  }

  /** Takes over what the database says: lets go of one that ended, makes the children ready for one that is new. */
  async #adopt(): Promise<void> {
    const row = (await openShadow(this.#parts.database.kysely)) ?? null;
    if (row !== null && row.seq === this.#on?.row.seq && this.#on.ready) return;
    this.#release();
    if (row === null || this.#closed) return;
    const unfit = await this.#unfit(row);
    if (unfit !== null) return await this.#end({ because: unfit, seq: row.seq });
    const on: On = { row, mixed: [row.against_digest, row.candidate_digest], ready: false, failures: 0 };
    this.#on = on;
    await this.#prepare(on).catch(async (error: unknown) => {
      if (!this.#closed) await this.#end({ because: 'unusable', seq: row.seq });
      throw error;
    });
    on.ready = true;
  }

  async #unfit({ base_digest, candidate_id }: LiveShadowRow): Promise<ShadowEnd | null> {
    if (base_digest !== this.#parts.base.digest) return 'incompatible';
    return (await getAdapter(this.#parts, candidate_id)) === undefined ? 'deleted' : null;
  }

  async #prepare({ row, mixed }: On): Promise<void> {
    const { held, engine } = this.#parts;
    held.keep(row.candidate_digest);
    await held.use(row.candidate_digest, () => engine.mix(mixed), { always: true });
  }

  #release(): void {
    if (this.#on !== null) this.#parts.engine.unmix(this.#on.mixed);
    this.#on = null;
    this.#parts.held.keep(null);
  }

  async #end(end: Omit<EndShadowInput, 'at'>): Promise<void> {
    const ended = await this.#parts.database.run('endLiveShadow', { ...end, at: this.#time() });
    this.#release();
    if (ended) this.#parts.log.info({ because: end.because }, 'the live shadow ended');
  }

  /** One that fails again and again costs the clients second tries. */
  #watch(on: On, outcomes: readonly unknown[]): void {
    const told = outcomes.filter((one) => one !== undefined && one !== 'dropped');
    if (told.length === 0) return;
    on.failures = told.every((one) => one === 'failed') ? on.failures + 1 : 0;
    if (on.failures < MOST_FAILURES || !on.ready) return;
    on.ready = false;
    this.#inTurn(() => this.#end({ because: 'failing', seq: on.row.seq })).catch((error: unknown) =>
      this.#parts.log.error({ err: error }, 'the live shadow could not be ended'),
    );
  }

  #time(): string {
    return new Date(this.#parts.now()).toISOString();
  }
}

function nameless(): Problem {
  const detail = 'names no adapter of this service: give a version or an id';
  return new Problem('unprocessable', `/candidate ${detail}`, { errors: [{ pointer: '/candidate', detail }] });
}
