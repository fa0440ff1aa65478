/** What a training run needs of its surroundings. */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Database } from '../db/database.js';
import type { Fence } from '../db/training-run-acts.js';
import type { CheckpointLabel } from '../labels.js';
import type { LeftOutRow } from '../db/training-run-rows.js';
import type { UsableRow } from '../db/training-runs.js';
import type { Recipe } from '../recipe.js';
import type { Encoded, PairTexts } from '../text/text.js';
import type { Outcome } from '../training/supervisor.js';
import type { Log } from '../log.js';
import type { Waits } from './waits.js';

export interface TrainedAdapter {
  readonly run_id: string;
  /** The attempt of the run that made it. */
  readonly attempt: number;
  readonly adapter: (Outcome & { readonly kind: 'trained' })['adapter'];
  readonly recipe: Recipe;
}

export interface RunnerOptions {
  readonly database: Pick<Database, 'run' | 'kysely'>;
  readonly checkpoint: Checkpoint;
  /** What each logit stands for. */
  readonly labels: readonly CheckpointLabel[];
  readonly code_version: string;
  /** Under it every run has a directory for its saved states, until it has ended. */
  readonly directory: string;
  /** Processes that compute gradients, at most. */
  readonly children: number;
  /** Each pair with its token ids, in order; given up when the signal is aborted. */
  encode<P extends PairTexts>(
    pairs: AsyncIterable<P>,
    maxTokens: number,
    signal: AbortSignal,
  ): AsyncIterable<[P, Encoded]>;
  /** Stores the adapter durably and gives it its version. Rejects with Problem 'stale-precondition' for a late attempt. */
  keepAdapter(trained: TrainedAdapter): Promise<{ readonly id: string }>;
  /** Puts a comparison of the adapter with the active one on its way. Rejects like keepAdapter. */
  compare(comparison: { readonly adapter_id: string; readonly fence: Fence }): Promise<{ readonly id: string }>;
  /** Resolves when the comparison has ended, whatever its verdict. */
  compared(id: string): Promise<unknown>;
  /** ISO 8601, UTC, milliseconds. */
  now(): string;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly waits: Waits;
  /** Told after each change of a run that is on disk. */
  changed(): void;
  /** Wait before an attempt after one that broke; 1000 ms by default, more with each. */
  readonly retryAfterMs?: number;
  /** How long after its last sign of life this process is believed to run what it has claimed; 15 s by default. */
  readonly leaseMs?: number;
  /** A run's child that is silent for so long is stuck; two minutes by default. */
  readonly silentAfterMs?: number;
}

/** What is set of it when a runner begins. */
export interface RunnerParts extends RunnerOptions {
  /** This runner, among those of other processes. */
  readonly owner: string;
  readonly leaseMs: number;
}

/** What the data of a run are made of. */
export interface Prepared {
  /** Usable corrections, and confirmations. */
  readonly rows: readonly UsableRow[];
  readonly left_out: readonly LeftOutRow[];
}

export interface TrainingOptions extends Omit<RunnerOptions, 'changed' | 'waits'> {
  readonly database: Pick<Database, 'run' | 'kysely'>;
  readonly checkpoint: Checkpoint;
  /** The base model's name. */
  readonly model: string;
  /** The service's defaults under the model folder's. */
  readonly recipe: Recipe;
  /** Longest encoded pair that the service judges. */
  readonly maxTokens: number;
  /** New usable corrections that start a run by themselves; 0: none do. */
  readonly trainAfter: number;
  /** How often is looked for corrections that another process has stored; each minute by default. */
  readonly lookEveryMs?: number;
  prepare(options: { readonly min_confidence: number; readonly exclude: readonly string[] }): Promise<Prepared>;
  readonly newId: () => string;
}
