/** What a live shadow that is on takes of the traffic: a share of the pairs, and note of what came of them. */
import type { LiveShadowRow } from '../db/live-shadows.js';
import type { Rider } from '../engine/engine.js';
import type { Shadowed } from '../judge/parts.js';
import type { ShadowNotes, Told } from './notes.js';

export interface SamplingParts {
  /** Uniform in [0, 1): decides which pairs are sampled. */
  readonly random: () => number;
  readonly notes: Pick<ShadowNotes, 'add'>;
  /** Called once, when the candidate fails again and again; nothing is sampled from there on. */
  readonly failing: () => void;
}

/** Requests in a row whose sampled pairs all failed: it may be what kills the children. */
const MOST_FAILURES = 3;

export class Sampling {
  readonly row: LiveShadowRow;
  /** Every child can judge with the candidate. */
  ready = false;
  readonly #parts: SamplingParts;
  /** Requests in a row. */
  #failures = 0;

  constructor(row: LiveShadowRow, parts: SamplingParts) {
    this.row = row;
    this.#parts = parts;
  }

  /** Of so many rows of a request; null: none. */
  take(rows: number): Shadowed | null {
    const told: Told[] = [];
    const riders = Array.from({ length: rows }, (_, at) => this.#riderAt(at, told));
    if (riders.every((rider) => rider === undefined)) return null;
    return {
      riders,
      answered: (judgements) => {
        this.#parts.notes.add(this.row.seq, judgements, told);
        this.#watch(told);
      },
    };
  }

  #riderAt(at: number, told: Told[]): Rider | undefined {
    if (this.#parts.random() >= this.row.rate) return undefined;
    return { adapter: this.row.candidate_digest, done: (outcome) => (told[at] = outcome) };
  }

  /** One that fails again and again costs the clients second tries. */
  #watch(told: readonly Told[]): void {
    const judged = told.filter((one) => one !== undefined && one !== 'dropped');
    if (judged.length === 0) return;
    this.#failures = judged.every((one) => one === 'failed') ? this.#failures + 1 : 0;
    if (this.#failures < MOST_FAILURES || !this.ready) return;
    this.ready = false;
    this.#parts.failing();
  }
}
