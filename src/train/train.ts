/** The use case behind /training-runs: corrections → a run in the queue → its child → adapter → comparison → its end. */
import type { Page, PageRequest } from '../db/newest-first.js';
import {
  findTrainingRun,
  listTrainingRuns,
  readManifest,
  type RunEvent,
  type RunManifest,
  type TrainingRunRow,
} from '../db/training-run-rows.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Actor, actorOf, OPEN, type Principal, SERVICE } from '../roles.js';
import { enqueue, recipeOf } from './enqueue.js';
import { follow } from './follow.js';
import type { TrainingOptions } from './options.js';
import { createRunner } from './runner.js';
import { createTrigger } from './trigger.js';
import { type Wait, Waits } from './waits.js';

export interface StartRequest {
  /** Trains although fewer than min_corrections are usable. */
  readonly force?: boolean;
  readonly parameters?: unknown;
  /** Corrections to leave out. */
  readonly exclude?: readonly string[];
  /** Who asks; by default anybody, as while the service is open. */
  readonly principal?: Principal;
}

export interface TrainingRun extends TrainingRunRow {
  /** What the run waits for, where it is this process that works on it. */
  readonly waiting: Wait | null;
  readonly manifest: RunManifest;
}

export interface Training {
  /**
   * Puts a run into the queue and resolves with it. Rejects with Problem 'invalid-request' for a parameter that its limit
   * refuses, 'conflict' when fewer than min_corrections are usable and it is not forced.
   */
  start(request: StartRequest): Promise<TrainingRunRow>;
  /** A running one ends within a step. Rejects with Problem 'not-found', and 'conflict' when it has ended otherwise. */
  cancel(id: string, by?: Actor): Promise<TrainingRunRow>;
  get(id: string): Promise<TrainingRun | undefined>;
  list(page: PageRequest): Promise<Page<TrainingRunRow>>;
  /**
   * What has happened in the run after event `after`, and then what happens, to its end. Ends early when the signal is
   * aborted or the service closes.
   */
  events(id: string, after: number, signal: AbortSignal): AsyncIterable<RunEvent>;
  /** To be called when corrections were stored: starts a run when enough of them are new. */
  correctionsStored(): void;
  /** Resolves when nothing is under way any more: no run, no look of the trigger. */
  idle(): Promise<void>;
  /** Ends the child; the run goes on when the service is there again. */
  close(): Promise<void>;
}

/** Opens the use case, and goes on with the runs that were left. */
export function createTraining(options: TrainingOptions): Training {
  const waiting = new Set<() => void>();
  const closing = new AbortController();
  const waits = new Waits(options.now);
  const runner = createRunner({ ...options, waits, changed: () => waiting.forEach((wake) => wake()) });
  const trigger = createTrigger(options, () => runner.pump());
  runner.pump();
  trigger.look();
  const { database } = options;
  const find = async (id: string): Promise<TrainingRunRow> => {
    const run = await findTrainingRun(database.kysely, id);
    if (run === undefined) throw new Problem('not-found', 'there is no training run of this id');
    return run;
  };
  return {
    async start({ force = false, parameters = {}, exclude = [], principal = OPEN }) {
      const recipe = recipeOf(options, parameters);
      const who = { actor: principal.key_id, by: actorOf(principal) };
      const { id } = (await enqueue(options, { recipe, force, exclude, ...who, when_new: null })) as { id: string };
      runner.pump();
      return await find(id);
    },
    async cancel(id, by = SERVICE) {
      await database.run('cancelTrainingRun', { id, at: options.now(), by });
      failpoint('run.cancelled');
      runner.stop(id);
      return await find(id);
    },
    async get(id) {
      const run = await findTrainingRun(database.kysely, id);
      return run && { ...run, waiting: waits.of(id), manifest: await readManifest(database.kysely, run) };
    },
    list: (page) => listTrainingRuns(database.kysely, page),
    events: (id, after, signal) =>
      follow(database, waiting, { id, after, signal: AbortSignal.any([signal, closing.signal]) }),
    correctionsStored: () => trigger.look(),
    async idle() {
      await trigger.idle();
      await runner.idle();
    },
    async close() {
      await trigger.close();
      await runner.close();
      closing.abort();
    },
  };
}
