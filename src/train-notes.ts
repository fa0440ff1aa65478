/** What an attempt of a training run has to tell: kept in the database as long as the run is this attempt's. */
import type { RunProgress, RunStage } from './db/training-run-rows.js';
import type { Fence, NoteRunInput } from './db/training-runs.js';
import type { RunnerOptions } from './train-options.js';
import { EMPTY, eventOf, newest } from './train-progress.js';
import { refuseStopped } from './train-stop.js';
import type { ProgressMessage } from './training/supervisor.js';

/** Steps come faster than they need be stored one by one. */
const TELL_EVERY_MS = 250;

export class Notes {
  readonly #options: RunnerOptions;
  readonly #fence: Fence;
  readonly #stopping: AbortController;
  readonly #told: ProgressMessage[] = [];
  #telling: NodeJS.Timeout | undefined;
  #progress: RunProgress = EMPTY;

  /** Aborts `stopping` when the run is not this attempt's any more. */
  constructor(options: RunnerOptions, fence: Fence, stopping: AbortController) {
    this.#options = options;
    this.#fence = fence;
    this.#stopping = stopping;
  }

  begin(epochs: number): void {
    this.#progress = { ...EMPTY, epochs };
  }

  async stage(stage: RunStage): Promise<void> {
    this.#progress = { ...this.#progress, stage };
    await this.note({ events: [{ type: 'stage', stage }] });
  }

  /** Throws Stopped when the run is not this attempt's any more. */
  async note(what: Pick<NoteRunInput, 'events' | 'adapter_id' | 'comparison_id'>): Promise<void> {
    const { database, now, changed } = this.#options;
    const about = { ...this.#fence, at: now(), progress: this.#progress };
    const held = await database.run('noteTrainingRun', { ...about, ...what });
    changed();
    if (!held) this.#stopping.abort();
    refuseStopped(this.#stopping.signal);
  }

  /** What a child tells is stored a moment later, with what else it has told by then. */
  hear(message: ProgressMessage): void {
    this.#told.push(message);
    this.#telling ??= setTimeout(() => {
      this.tell().catch((error: unknown) =>
        this.#options.log.error(
          { err: error, run: this.#fence.id },
          'the progress of a training run could not be stored',
        ),
      );
    }, TELL_EVERY_MS);
  }

  /** Stores at once what was heard. */
  async tell(): Promise<void> {
    this.close();
    const told = this.#told.splice(0);
    if (told.length === 0) return;
    this.#progress = { ...this.#progress, ...newest(told) };
    await this.note({ events: told.map(eventOf) });
  }

  close(): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
  }
}
