/** Takes training runs out of the queue, one after the other, and sees each to its end: what is told, kept and retried. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { Database } from './db/database.js';
import {
  findTrainingRun,
  readTrainingPairs,
  type RunProgress,
  type RunStage,
  type TrainingPair,
} from './db/training-run-rows.js';
import { type Fence, runningTrainingRuns } from './db/training-runs.js';
import { failpoint } from './failpoints.js';
import type { CheckpointLabel, Label } from './labels.js';
import type { Recipe } from './recipe.js';
import type { Encoded, PairTexts } from './text/text.js';
import { withReplay } from './training/replay.js';
import {
  createJob,
  type Job,
  type Outcome,
  type ProgressMessage,
  startTraining,
  type StepMessage,
} from './training/supervisor.js';

export interface TrainedAdapter {
  readonly run_id: string;
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
  /** Token ids of each pair, in order; given up when the signal is aborted. */
  encode(pairs: readonly PairTexts[], maxTokens: number, signal: AbortSignal): Promise<readonly Encoded[]>;
  /** Stores the adapter durably and gives it its version. */
  keepAdapter(trained: TrainedAdapter): Promise<{ readonly id: string }>;
  /** Puts a comparison of the adapter with the active one on its way. */
  compare(comparison: { readonly adapter_id: string; readonly run_id: string }): Promise<{ readonly id: string }>;
  /** Resolves when the comparison has ended, whatever its verdict. */
  compared(id: string): Promise<unknown>;
  /** ISO 8601, UTC, milliseconds. */
  now(): string;
  readonly log: Log;
  /** Told after each change of a run that is on disk. */
  changed(): void;
  /** Wait before an attempt after one that broke; 1000 ms by default, more with each. */
  readonly retryAfterMs?: number;
}

interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Runner {
  /** Looks into the queue, unless a run is under way. */
  pump(): void;
  /** Ends what is under way of the run; it has another state by now. */
  stop(id: string): void;
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** Steps come faster than they need be stored one by one. */
const TELL_EVERY_MS = 250;
const RETRY_AFTER_MS = 1000;
const STORAGE_RETRY_MS = 5000;

/** Another has ended the run, or the service closes: what is under way is dropped. */
class Stopped extends Error {
  override readonly name = 'Stopped';
}

export function createRunner(options: RunnerOptions): Runner {
  let working: Promise<void> | null = null;
  let attempt: Attempt | null = null;
  const closing = new AbortController();
  let retry: NodeJS.Timeout | undefined;
  /** Somebody may have put a run into the queue since it was looked at last. */
  let asked = false;

  const see = async (fence: Fence): Promise<void> => {
    let next: Fence | null = fence;
    while (next !== null) {
      attempt = new Attempt(options, next);
      if (closing.signal.aborted) attempt.stop();
      next = await settle(options, attempt, await attempt.run(), closing.signal);
      attempt = null;
    }
    if (!closing.signal.aborted) await forgetStates(options, fence.id);
  };
  const work = async (): Promise<void> => {
    await forgetEnded(options);
    while (!closing.signal.aborted) {
      asked = false;
      const next: Fence | null = (await recovered(options)) ?? (await begun(options));
      if (next !== null) await see(next);
      else if (!asked) return;
    }
  };
  const pump = (): void => {
    asked = true;
    if (closing.signal.aborted || working !== null) return;
    clearTimeout(retry);
    retry = undefined;
    working = work()
      .catch((error: unknown) => {
        options.log.error({ err: error }, 'training runs cannot go on at the moment');
        retry = setTimeout(pump, STORAGE_RETRY_MS).unref();
      })
      .then(() => {
        working = null;
        if (asked && retry === undefined) pump();
      });
  };
  /** What ended may have been followed by another. */
  const idle = async (): Promise<void> => {
    if (working === null) return;
    await working;
    await idle();
  };
  return {
    pump,
    stop: (id) => {
      if (attempt?.id === id) attempt.stop();
      options.changed();
    },
    idle,
    close: async () => {
      closing.abort();
      clearTimeout(retry);
      attempt?.stop();
      await working;
    },
  };
}

/** A run found running belonged to a service that ended without closing. */
async function recovered({ database, checkpoint, now, changed }: RunnerOptions): Promise<Fence | null> {
  for (const { base_digest, ...fence } of await runningTrainingRuns(database.kysely)) {
    const ours = base_digest === checkpoint.digest;
    const next = ours
      ? await database.run('crashTrainingRun', { ...fence, at: now(), reason: 'the service ended during the run' })
      : null;
    const error = 'the service was started with another base model while the run was running';
    if (!ours) await database.run('endTrainingRun', { ...fence, at: now(), state: 'failed', error });
    changed();
    if (next !== null) return next;
  }
  return null;
}

async function begun({ database, checkpoint, now, changed }: RunnerOptions): Promise<Fence | null> {
  const next = await database.run('beginTrainingRun', { base_digest: checkpoint.digest, at: now() });
  failpoint('run.claimed');
  changed();
  return next;
}

type Result =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'stopped' };

/** Writes down how an attempt ended; resolves with the next one. */
async function settle(
  { database, now, log, changed, retryAfterMs = RETRY_AFTER_MS }: RunnerOptions,
  attempt: Attempt,
  result: Result,
  closing: AbortSignal,
): Promise<Fence | null> {
  const { fence } = attempt;
  const at = now();
  let next: Fence | null = null;
  if (result.kind === 'succeeded')
    await database.run('endTrainingRun', { ...fence, at, state: 'succeeded', error: null });
  else if (closing.aborted) await database.run('parkTrainingRun', { ...fence, at });
  else if (result.kind === 'failed')
    await database.run('endTrainingRun', { ...fence, at, state: 'failed', error: result.reason });
  else if (result.kind === 'broken')
    next = await database.run('crashTrainingRun', { ...fence, at, reason: result.reason });
  changed();
  failpoint('run.ended');
  log.info({ run: fence.id, attempt: fence.attempt, ...result }, 'an attempt of a training run ended');
  if (next !== null) await new Promise((resolve) => setTimeout(resolve, retryAfterMs * fence.attempt));
  return next;
}

/** A run from its beginning, or its last state, to its end. */
class Attempt {
  readonly fence: Fence;
  readonly #options: RunnerOptions;
  readonly #stopping = new AbortController();
  readonly #told: ProgressMessage[] = [];
  #telling: NodeJS.Timeout | undefined;
  #progress: RunProgress = EMPTY;

  constructor(options: RunnerOptions, fence: Fence) {
    this.#options = options;
    this.fence = fence;
  }

  get id(): string {
    return this.fence.id;
  }

  stop(): void {
    this.#stopping.abort();
  }

  async run(): Promise<Result> {
    try {
      const recipe = await this.#recipe();
      const outcome = await this.#train(await this.#job(recipe));
      if (outcome.kind !== 'trained') return outcome;
      await this.#compare(await this.#keep(outcome.adapter, recipe));
      return { kind: 'succeeded' };
    } catch (error) {
      if (error instanceof Stopped) return { kind: 'stopped' };
      this.#options.log.error({ err: error, run: this.id }, 'a training run failed');
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    } finally {
      clearTimeout(this.#telling);
    }
  }

  async #recipe(): Promise<Recipe> {
    const run = await findTrainingRun(this.#options.database.kysely, this.id);
    if (run === undefined) throw new Stopped();
    const recipe = run.parameters;
    this.#progress = { ...EMPTY, epochs: recipe.epochs };
    return recipe;
  }

  async #job(recipe: Recipe): Promise<Job> {
    await this.#stage('preparing');
    const { database, checkpoint, labels, code_version, directory, children } = this.#options;
    const pairs = await readTrainingPairs(database.kysely, this.id);
    const texts = pairs.map(({ premise, nli_hypothesis }) => ({ premise, hypothesis: nli_hypothesis }));
    const encoded = await this.#unlessStopped(this.#options.encode(texts, recipe.max_tokens, this.#stopping.signal));
    const rowsOf = (kind: TrainingPair['kind']) =>
      pairs.flatMap((pair, i) => {
        const { ids } = encoded[i] as { ids?: Int32Array };
        return ids === undefined || pair.kind !== kind ? [] : [{ ids, label: placeOf(labels, pair.correct_label) }];
      });
    const rows = withReplay(rowsOf('correction'), rowsOf('confirmation'));
    if (rows.length === 0) throw new Error('none of the corrections can be encoded');
    const skipped = encoded.flatMap((one, i) =>
      'code' in one ? [{ type: 'left_out', correction_id: pairs[i]?.correction_id, reason: one.code }] : [],
    );
    await this.#note({ events: skipped });
    return createJob({
      checkpoint,
      recipe,
      code_version,
      rows,
      directory: stateDirectory(directory, this.id),
      children,
    });
  }

  async #train(job: Job): Promise<Outcome> {
    await this.#stage('training');
    failpoint('run.job.made');
    const child = startTraining(job, (message) => this.#hear(message));
    const kill = (): void => child.kill();
    this.#stopping.signal.addEventListener('abort', kill);
    if (this.#stopping.signal.aborted) kill();
    const outcome = await child.outcome;
    failpoint('run.trained');
    await this.#tell();
    this.#check();
    return outcome;
  }

  async #keep(adapter: TrainedAdapter['adapter'], recipe: Recipe): Promise<string> {
    await this.#stage('registering');
    const { id } = await this.#options.keepAdapter({ run_id: this.id, adapter, recipe });
    failpoint('run.adapter.kept');
    await this.#note({ events: [{ type: 'adapter', adapter_id: id }], adapter_id: id });
    return id;
  }

  async #compare(adapter_id: string): Promise<void> {
    await this.#stage('comparing');
    await this.#unlessStopped(this.#options.compared(await this.#comparison(adapter_id)));
    failpoint('run.compared');
  }

  /** An attempt before this one may have started it already. */
  async #comparison(adapter_id: string): Promise<string> {
    const run = await findTrainingRun(this.#options.database.kysely, this.id);
    const known = run?.comparison_id ?? null;
    if (known !== null) return known;
    const { id } = await this.#options.compare({ adapter_id, run_id: this.id });
    await this.#note({ events: [{ type: 'comparison', comparison_id: id }], comparison_id: id });
    return id;
  }

  #hear(message: ProgressMessage): void {
    this.#told.push(message);
    this.#telling ??= setTimeout(() => {
      this.#tell().catch((error: unknown) =>
        this.#options.log.error({ err: error, run: this.id }, 'the progress of a training run could not be stored'),
      );
    }, TELL_EVERY_MS);
  }

  async #tell(): Promise<void> {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    const told = this.#told.splice(0);
    if (told.length === 0) return;
    const step = told.findLast((message): message is StepMessage => message.kind === 'step');
    if (step) this.#progress = { ...this.#progress, ...progressOf(step) };
    await this.#note({ events: told.map(eventOf) });
  }

  async #stage(stage: RunStage): Promise<void> {
    this.#progress = { ...this.#progress, stage };
    await this.#note({ events: [{ type: 'stage', stage }] });
  }

  /** Throws Stopped when the run is not this attempt's any more. */
  async #note(what: Omit<Parameters<typeof noted>[1], keyof Fence | 'at' | 'progress'>): Promise<void> {
    const held = await noted(this.#options, {
      ...this.fence,
      at: this.#options.now(),
      progress: this.#progress,
      ...what,
    });
    this.#options.changed();
    if (!held) this.stop();
    this.#check();
  }

  #check(): void {
    if (this.#stopping.signal.aborted) throw new Stopped();
  }

  async #unlessStopped<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.#stopping;
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(new Stopped());
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
    });
    try {
      return await Promise.race([work, stopped]);
    } finally {
      signal.removeEventListener('abort', stop);
      work.catch(() => undefined);
    }
  }
}

const noted = (
  { database }: RunnerOptions,
  input: Parameters<typeof database.run<'noteTrainingRun'>>[1],
): Promise<boolean> => database.run('noteTrainingRun', input);

const EMPTY: RunProgress = {
  stage: 'preparing',
  epoch: 0,
  epochs: 0,
  step: 0,
  steps: null,
  loss: null,
  learning_rate: null,
  samples_per_second: null,
  seconds_left: null,
};

const progressOf = ({ kind: _kind, rows: _rows, ...step }: StepMessage): Partial<RunProgress> => step;

function eventOf(message: ProgressMessage): { readonly type: string } & Record<string, unknown> {
  const { kind, ...rest } = message;
  return { type: kind, ...rest };
}

function placeOf(labels: readonly CheckpointLabel[], wanted: Label): number {
  const place = labels.findIndex(({ label }) => label === wanted);
  if (place < 0) throw new Error(`the base model has no label for ${wanted}`);
  return place;
}

const stateDirectory = (directory: string, id: string): string => path.join(directory, id);

/** Space is all that is lost when it fails. */
async function forgetStates({ directory, log }: RunnerOptions, id: string): Promise<void> {
  await rm(stateDirectory(directory, id), { recursive: true, force: true }).catch((error: unknown) =>
    log.error({ err: error, run: id }, 'the saved states of a training run could not be removed'),
  );
  failpoint('run.states.removed');
}

/** A service that was killed left the states of runs that have ended. */
async function forgetEnded(options: RunnerOptions): Promise<void> {
  const ids = await readdir(options.directory).catch((): string[] => []);
  for (const id of ids) {
    const run = await findTrainingRun(options.database.kysely, id);
    if (run?.ended_at !== null) await forgetStates(options, id);
  }
}
