/** The use case behind /training-runs: corrections → a run in the queue → its child → adapter → comparison → its end. */
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { Database } from './db/database.js';
import type { Page, PageRequest } from './db/newest-first.js';
import {
  findTrainingRun,
  listTrainingRuns,
  newCorrectionsAtMost,
  readManifest,
  readRunEvents,
  type LeftOutRow,
  type RunEvent,
  type RunManifest,
  type TrainingRunRow,
} from './db/training-run-rows.js';
import type { UsableRow } from './db/training-runs.js';
import { Problem } from './errors.js';
import { failpoint } from './failpoints.js';
import { checkRecipe, layered, type Recipe } from './recipe.js';
import { type Actor, actorOf, OPEN, type Principal, SERVICE } from './roles.js';
import type { RunnerOptions } from './train-options.js';
import { createRunner, type Runner } from './train-runner.js';

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

/** What the data of a run are made of. */
export interface Prepared {
  /** Usable corrections, and confirmations. */
  readonly rows: readonly UsableRow[];
  readonly left_out: readonly LeftOutRow[];
}

export interface TrainingOptions extends Omit<RunnerOptions, 'changed'> {
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
  prepare(options: { readonly min_confidence: number; readonly exclude: readonly string[] }): Promise<Prepared>;
  readonly newId: () => string;
}

const EVENTS_PER_READ = 500;

/** Opens the use case, and goes on with the runs that were left. */
export function createTraining(options: TrainingOptions): Training {
  const waiting = new Set<() => void>();
  const closing = new AbortController();
  const runner = createRunner({ ...options, changed: () => waiting.forEach((wake) => wake()) });
  const trigger = createTrigger(options, runner);
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
      const id = await enqueue(options, { recipe, force, exclude, ...who, when_new: null });
      runner.pump();
      return await find(id as string);
    },
    async cancel(id, by = SERVICE) {
      await database.run('cancelTrainingRun', { id, at: options.now(), by });
      failpoint('run.cancelled');
      runner.stop(id);
      return await find(id);
    },
    async get(id) {
      const run = await findTrainingRun(database.kysely, id);
      return run && { ...run, manifest: await readManifest(database.kysely, run) };
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

function recipeOf({ recipe, maxTokens, checkpoint }: TrainingOptions, parameters: unknown): Recipe {
  const whole = layered(recipe, checkRecipe(parameters, '/parameters/'));
  if (whole.max_tokens > maxTokens)
    throw refused('max_tokens', `must be at most ${maxTokens} (ERRATA_MAX_TOKENS): longer pairs are never judged`);
  const { layers } = checkpoint.config;
  if (whole.layers_to_transform?.some((layer) => layer >= layers))
    throw refused('layers_to_transform', `must be below ${layers}: the model has so many layers`);
  return whole;
}

function refused(parameter: keyof Recipe, detail: string): Problem {
  const pointer = `/parameters/${parameter}`;
  return new Problem('invalid-request', `${pointer} ${detail}`, {
    errors: [{ pointer, detail }],
  });
}

interface Enqueued {
  readonly recipe: Recipe;
  readonly force: boolean;
  readonly exclude: readonly string[];
  readonly actor: string | null;
  readonly by: Actor;
  readonly when_new: number | null;
}

/** The id of the run; null: the trigger asked and too few corrections are new. */
async function enqueue(options: TrainingOptions, { recipe, exclude, ...rest }: Enqueued): Promise<string | null> {
  const { database, checkpoint, model, code_version } = options;
  const { rows, left_out } = await options.prepare({ min_confidence: recipe.min_confidence, exclude });
  const { seed, replay, min_corrections } = recipe;
  const id = options.newId();
  const started = await database.run('startTrainingRun', {
    ...rest,
    id,
    at: options.now(),
    base_model: model,
    base_digest: checkpoint.digest,
    code_version,
    parameters: recipe,
    seed,
    replay,
    min_corrections,
    rows: rows.map(({ correction_id, side, kind }) => ({ correction_id, side, kind })),
    left_out,
  });
  failpoint('run.opened');
  return started ? id : null;
}

interface Trigger {
  look(): void;
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** Looks once at a time; what is stored while it looks makes it look again. */
function createTrigger(options: TrainingOptions, runner: Runner): Trigger {
  let looking: Promise<void> | null = null;
  let again = false;
  const closing = new AbortController();
  const loop = async (): Promise<void> => {
    do {
      again = false;
      await lookOnce(options, runner).catch((error: unknown) =>
        options.log.error({ err: error }, 'whether a training run is due could not be decided'),
      );
    } while (again && !closing.signal.aborted);
    looking = null;
  };
  return {
    look() {
      if (closing.signal.aborted || options.trainAfter === 0) return;
      again = true;
      looking ??= loop();
    },
    idle: async () => looking ?? undefined,
    close: async () => {
      closing.abort();
      await looking;
    },
  };
}

async function lookOnce(options: TrainingOptions, runner: Runner): Promise<void> {
  const { database, checkpoint, recipe, trainAfter } = options;
  const { min_confidence } = recipe;
  const most = await newCorrectionsAtMost(database.kysely, { base_digest: checkpoint.digest, min_confidence });
  if (most < trainAfter) return;
  try {
    const asked = { recipe, force: false, exclude: [], actor: null, by: SERVICE, when_new: trainAfter };
    if ((await enqueue(options, asked)) !== null) runner.pump();
  } catch (error) {
    // Enough are new, but too few are usable in all.
    if (!(error instanceof Problem && error.code === 'conflict')) throw error;
  }
}

interface Following {
  readonly id: string;
  readonly after: number;
  readonly signal: AbortSignal;
}

/** Reads from the database whenever something changed, so that nothing is missed between history and presence. */
async function* follow(
  { kysely }: Pick<Database, 'kysely'>,
  waiting: Set<() => void>,
  { id, after, signal }: Following,
): AsyncGenerator<RunEvent> {
  let changed = true;
  let wake = (): void => undefined;
  const onChange = (): void => {
    changed = true;
    wake();
  };
  waiting.add(onChange);
  signal.addEventListener('abort', onChange);
  try {
    for (let last = after; !signal.aborted;) {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      changed = false;
      const run = await findTrainingRun(kysely, id);
      for (;;) {
        const events = await readRunEvents(kysely, id, { after: last, limit: EVENTS_PER_READ });
        for (const event of events) {
          yield event;
          last = event.seq;
          if (isEnd(event)) return;
        }
        if (events.length === 0) break;
      }
      // Nothing more comes when it had ended before the last look.
      if (run?.ended_at !== null) return;
    }
  } finally {
    waiting.delete(onChange);
    signal.removeEventListener('abort', onChange);
  }
}

export const isEnd = ({ event }: RunEvent): boolean =>
  event.type === 'state' && ['succeeded', 'failed', 'cancelled'].includes(String(event['state']));
