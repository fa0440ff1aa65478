/** What an attempt of a training run has to tell: kept in the database as long as the run is this attempt's. */
import type { Fence, NoteRunInput, RunCheckpoint } from '../db/training-run-acts.js';
import type { RunProgress, RunStage } from '../db/training-run-rows.js';
import type { RunnerOptions } from './options.js';
import { checkpointsOf, EMPTY, eventOf, newest } from './progress.js';
import { whenThereIsRoom } from './room.js';
import { refuseStopped, Stopped } from './stop.js';
import { type ProgressMessage, pruneStates } from '../training/supervisor.js';

/** Steps come faster than they need be stored one by one. */
const TELL_EVERY_MS = 250;

type Note = Pick<NoteRunInput, 'events' | 'checkpoints' | 'adapter_id' | 'comparison_id'>;

export class Notes {
  readonly #options: RunnerOptions;
  readonly #fence: Fence;
  readonly #stopping: AbortController;
  readonly #told: ProgressMessage[] = [];
  #telling: NodeJS.Timeout | undefined;
  /** Notes are kept one after the other, also when one has to wait. */
  #last: Promise<void> = Promise.resolve();
  #progress: RunProgress = EMPTY;
  #states: string | undefined;

  /** Aborts `stopping` when the run is not this attempt's any more. */
  constructor(options: RunnerOptions, fence: Fence, stopping: AbortController) {
    this.#options = options;
    this.#fence = fence;
    this.#stopping = stopping;
  }

  begin(epochs: number): void {
    this.#progress = { ...EMPTY, epochs };
  }

  /** Of the states in this directory those that are not needed any more are removed. */
  pruning(directory: string): void {
    this.#states = directory;
  }

  async stage(stage: RunStage): Promise<void> {
    this.#progress = { ...this.#progress, stage };
    await this.note({ events: [{ type: 'stage', stage }] });
  }

  /** Resolves when it is on the disk. Throws Stopped when the run is not this attempt's any more. */
  async note(what: Note): Promise<void> {
    await this.#inTurn(() => this.#keep(what));
  }

  async #inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.#last.catch(() => undefined).then(act);
    this.#last = done;
    await done;
  }

  async #keep(what: Note): Promise<void> {
    const about = { ...this.#fence, progress: this.#progress, ...what };
    const { database, now, changed } = this.#options;
    const { signal } = this.#stopping;
    const held = await whenThereIsRoom(this.#options, this.#fence, signal, () =>
      database.run('noteTrainingRun', { ...about, at: now() }),
    );
    changed();
    if (!held) this.#stopping.abort();
    refuseStopped(signal);
  }

  /** What a child tells is stored a moment later, with what else it has told by then. */
  hear(message: ProgressMessage): void {
    const { log } = this.#options;
    this.#hearOfWaiting(message);
    this.#told.push(message);
    this.#telling ??= setTimeout(() => {
      this.tell().catch((error: unknown) => {
        if (!(error instanceof Stopped))
          log.error({ err: error, run: this.#fence.id }, 'the progress of a training run could not be stored');
      });
    }, TELL_EVERY_MS);
  }

  /** A child that waits says so once, and goes on with a step or the end of its epoch. */
  #hearOfWaiting(message: ProgressMessage): void {
    const { log, waits } = this.#options;
    const { id: run } = this.#fence;
    if (message.kind !== 'waiting') return waits.end(run, 'child');
    log.error({ ...message, run }, 'a training run waits');
    waits.begin(run, 'child', message.reason);
  }

  /** Stores at once what was heard. What could not be stored is told again with what is heard next. */
  async tell(): Promise<void> {
    this.close();
    await this.#inTurn(async () => {
      const told = this.#told.splice(0);
      if (told.length > 0) await this.#keepTold(told);
    });
  }

  async #keepTold(told: readonly ProgressMessage[]): Promise<void> {
    this.#progress = { ...this.#progress, ...newest(told) };
    const checkpoints = checkpointsOf(told);
    try {
      await this.#keep({ events: told.map(eventOf), checkpoints });
    } catch (error) {
      this.#told.unshift(...told);
      throw error;
    }
    await this.#prune(checkpoints.at(-1));
  }

  /** Space is all that is lost when it fails. */
  async #prune(newestState: RunCheckpoint | undefined): Promise<void> {
    if (newestState === undefined || this.#states === undefined) return;
    await pruneStates(this.#states, newestState.epoch).catch(() => undefined);
  }

  close(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
  }
}
