/** One attempt of a training run, from its beginning or its last saved state to its end. */
import { findTrainingRun } from './db/training-run-rows.js';
import type { Fence } from './db/training-runs.js';
import type { Recipe } from './recipe.js';
import { prepareJob } from './train-job.js';
import { Notes } from './train-notes.js';
import type { RunnerOptions, TrainedAdapter } from './train-options.js';
import { refuseStopped, Stopped, unlessStopped } from './train-stop.js';
import { type Job, type Outcome, startTraining } from './training/supervisor.js';

export type Result =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'stopped' };

export class Attempt {
  readonly fence: Fence;
  readonly #options: RunnerOptions;
  readonly #stopping = new AbortController();
  readonly #notes: Notes;

  constructor(options: RunnerOptions, fence: Fence) {
    this.#options = options;
    this.fence = fence;
    this.#notes = new Notes(options, fence, this.#stopping);
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
      this.#notes.close();
    }
  }

  async #recipe(): Promise<Recipe> {
    const run = await findTrainingRun(this.#options.database.kysely, this.id);
    if (run === undefined) throw new Stopped();
    this.#notes.begin(run.parameters.epochs);
    return run.parameters;
  }

  async #job(recipe: Recipe): Promise<Job> {
    await this.#notes.stage('preparing');
    const { job, skipped } = await prepareJob(this.#options, this.id, recipe, this.#stopping.signal);
    await this.#notes.note({ events: skipped });
    return job;
  }

  async #train(job: Job): Promise<Outcome> {
    await this.#notes.stage('training');
    const { signal } = this.#stopping;
    const child = startTraining(job, (message) => this.#notes.hear(message));
    const kill = (): void => child.kill();
    signal.addEventListener('abort', kill);
    if (signal.aborted) kill();
    const outcome = await child.outcome;
    await this.#notes.tell();
    refuseStopped(signal);
    return outcome;
  }

  async #keep(adapter: TrainedAdapter['adapter'], recipe: Recipe): Promise<string> {
    await this.#notes.stage('registering');
    const { id } = await this.#options.keepAdapter({ run_id: this.id, adapter, recipe });
    await this.#notes.note({ events: [{ type: 'adapter', adapter_id: id }], adapter_id: id });
    return id;
  }

  async #compare(adapter_id: string): Promise<void> {
    await this.#notes.stage('comparing');
    await unlessStopped(this.#options.compared(await this.#comparison(adapter_id)), this.#stopping.signal);
  }

  /** An attempt before this one may have started it already. */
  async #comparison(adapter_id: string): Promise<string> {
    const run = await findTrainingRun(this.#options.database.kysely, this.id);
    const known = run?.comparison_id ?? null;
    if (known !== null) return known;
    const { id } = await this.#options.compare({ adapter_id, run_id: this.id });
    await this.#notes.note({ events: [{ type: 'comparison', comparison_id: id }], comparison_id: id });
    return id;
  }
}
