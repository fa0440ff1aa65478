/** One attempt of a training run, from its beginning or its last saved state to its end. */
import { findTrainingRun } from '../db/training-run-rows.js';
import type { Fence } from '../db/training-run-acts.js';
import { Problem, type ProblemCode } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Recipe } from '../recipe.js';
import { prepareJob } from './job.js';
import { keepLease } from './lease.js';
import { Notes } from './notes.js';
import type { RunnerParts, TrainedAdapter } from './options.js';
import { whenThereIsRoom } from './room.js';
import { refuseStopped, Stopped, unlessStopped } from './stop.js';
import { type Job, type Outcome, startTraining } from '../training/supervisor.js';

export type Result =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'stopped' };

/** A child's thread is never busy for so long, even on a machine that has other things to do. */
const SILENT_AFTER_MS = 120_000;

const PASSING: ReadonlySet<unknown> = new Set<ProblemCode>(['storage-failed', 'unavailable', 'deadline', 'not-ready']);

/** What went wrong around the run, in the file system or another part of the service, may be well the next time. */
const isPassing = (error: unknown): boolean =>
  error instanceof Problem ? PASSING.has(error.code) : (error as NodeJS.ErrnoException | null)?.syscall !== undefined;

export class Attempt {
  readonly fence: Fence;
  readonly #options: RunnerParts;
  readonly #stopping = new AbortController();
  readonly #notes: Notes;

  constructor(options: RunnerParts, fence: Fence) {
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
    const letGo = keepLease(this.#options, this.fence, () => this.stop());
    try {
      const recipe = await this.#recipe();
      const outcome = await this.#train(await this.#job(recipe));
      if (outcome.kind !== 'trained') return outcome;
      await this.#compare(await this.#keep(outcome.adapter, recipe));
      return { kind: 'succeeded' };
    } catch (error) {
      return this.#endedBy(error);
    } finally {
      letGo();
      this.#notes.close();
      this.#options.waits.end(this.id, 'child');
    }
  }

  #endedBy(error: unknown): Result {
    const code = error instanceof Problem ? error.code : undefined;
    if (error instanceof Stopped || code === 'stale-precondition') return { kind: 'stopped' };
    this.#options.log.error({ err: error, run: this.id }, 'a training run failed');
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: isPassing(error) ? 'broken' : 'failed', reason };
  }

  async #recipe(): Promise<Recipe> {
    const run = await findTrainingRun(this.#options.database.kysely, this.id);
    if (run === undefined) throw new Stopped();
    this.#notes.begin(run.parameters.epochs);
    return run.parameters;
  }

  async #job(recipe: Recipe): Promise<Job> {
    await this.#notes.stage('preparing');
    const { job, skipped } = await this.#roomy(() =>
      prepareJob(this.#options, this.fence, recipe, this.#stopping.signal),
    );
    await this.#notes.note({ events: skipped });
    return job;
  }

  async #train(job: Job): Promise<Outcome> {
    await this.#notes.stage('training');
    const { signal } = this.#stopping;
    this.#notes.pruning(job.directory);
    failpoint('run.job.made');
    const { silentAfterMs = SILENT_AFTER_MS } = this.#options;
    const child = startTraining(job, { onProgress: (message) => this.#notes.hear(message), silentAfterMs });
    const kill = (): void => child.kill();
    signal.addEventListener('abort', kill);
    if (signal.aborted) kill();
    const outcome = await child.outcome;
    failpoint('run.trained');
    await this.#notes.tell();
    refuseStopped(signal);
    return outcome;
  }

  async #keep(adapter: TrainedAdapter['adapter'], recipe: Recipe): Promise<string> {
    await this.#notes.stage('registering');
    const trained = { run_id: this.id, attempt: this.fence.attempt, adapter, recipe };
    const { id } = await this.#roomy(() => this.#options.keepAdapter(trained));
    failpoint('run.adapter.kept');
    await this.#notes.note({ events: [{ type: 'adapter', adapter_id: id }], adapter_id: id });
    return id;
  }

  async #compare(adapter_id: string): Promise<void> {
    await this.#notes.stage('comparing');
    await unlessStopped(this.#options.compared(await this.#comparison(adapter_id)), this.#stopping.signal);
    failpoint('run.compared');
  }

  /** An attempt before this one may have started it already. */
  async #comparison(adapter_id: string): Promise<string> {
    const run = await findTrainingRun(this.#options.database.kysely, this.id);
    const known = run?.comparison_id ?? null;
    if (known !== null) return known;
    const { id } = await this.#roomy(() => this.#options.compare({ adapter_id, fence: this.fence }));
    await this.#notes.note({ events: [{ type: 'comparison', comparison_id: id }], comparison_id: id });
    return id;
  }

  #roomy<T>(act: () => Promise<T>): Promise<T> {
    return whenThereIsRoom(this.#options, this.fence, this.#stopping.signal, act);
  }
}
