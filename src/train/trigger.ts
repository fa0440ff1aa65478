/** Starts a run when enough usable corrections are new, whoever stored them. */
import { newCorrectionsAtMost, type TriggerMark, triggerMark } from '../db/training-run-rows.js';
import { SERVICE } from '../roles.js';
import { enqueue } from './enqueue.js';
import type { TrainingOptions } from './options.js';

export interface Trigger {
  look(): void;
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** What `errata import` stores from another process is seen with the next look. */
const LOOK_EVERY_MS = 60_000;

/** Looks once at a time; what is stored while it looks makes it look again. `started` is told of a run in the queue. */
export function createTrigger(options: TrainingOptions, started: () => void): Trigger {
  const look = createLook(options, started);
  let looking: Promise<void> | null = null;
  let again = false;
  const closing = new AbortController();
  const loop = async (): Promise<void> => {
    do {
      again = false;
      await look().catch((error: unknown) =>
        options.log.error({ err: error }, 'whether a training run is due could not be decided'),
      );
    } while (again && !closing.signal.aborted);
    looking = null;
  };
  const trigger: Trigger = {
    look() {
      if (closing.signal.aborted || options.trainAfter === 0) return;
      again = true;
      looking ??= loop();
    },
    idle: async () => looking ?? undefined,
    close: async () => {
      closing.abort();
      clearInterval(timer);
      await looking;
    },
  };
  const timer = setInterval(() => trigger.look(), options.lookEveryMs ?? LOOK_EVERY_MS).unref();
  return trigger;
}

interface Seen extends TriggerMark {
  readonly lacking: number;
}

/**
 * Planning the data reads every correction, so it is done only when a run may be due: not again before as much has
 * happened as the last time was lacking. Duplicates and conflicts stay out of every run, and would count as new for ever.
 */
function createLook(options: TrainingOptions, started: () => void): () => Promise<void> {
  const { database, checkpoint, recipe, trainAfter } = options;
  const base_digest = checkpoint.digest;
  let seen: Seen | null = null;
  return async () => {
    const mark = await triggerMark(database.kysely, base_digest);
    if (seen !== null && isTooSoon(seen, mark)) return;
    const { min_confidence } = recipe;
    if ((await newCorrectionsAtMost(database.kysely, { base_digest, min_confidence })) < trainAfter) return;
    const asked = { recipe, force: false, exclude: [], actor: null, by: SERVICE, when_new: trainAfter };
    const run = await enqueue(options, asked);
    seen = run.id === null ? { ...mark, lacking: run.lacking } : null;
    if (run.id !== null) started();
  };
}

const isTooSoon = (seen: Seen, { acts, newest }: TriggerMark): boolean =>
  newest === seen.newest && Math.abs(acts - seen.acts) < seen.lacking;
