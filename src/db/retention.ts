/** Keeps the recorded judgements within an age and a size, a little at a time. */
import { type Database } from './database.js';
import type { Log } from './link.js';

export interface Retention {
  /** Judgements older than this go; 30 by default. */
  readonly days?: number;
  /** The oldest go while the file uses more. */
  readonly maxBytes: number;
  /** From the end of one round to the start of the next. */
  readonly everyMs: number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly log?: Log;
}

/** About 10 ms of the writer's time. */
const ROWS_PER_SWEEP = 200;
const DAY_MS = 86_400_000;

/** One round: sweeps until nothing is left to forget, or `signal` fires. Resolves with how many predictions went. */
export async function sweepAll(
  db: Pick<Database, 'run'>,
  { days = 30, maxBytes, clock }: Pick<Retention, 'days' | 'maxBytes' | 'clock'>,
  signal?: AbortSignal,
): Promise<number> {
  const before = new Date(clock() - days * DAY_MS).toISOString();
  for (let deleted = 0; ;) {
    const round = await db.run('sweep', { before, max_bytes: maxBytes, limit: ROWS_PER_SWEEP });
    deleted += round.deleted;
    if (round.done || signal?.aborted === true) return deleted;
  }
}

/** Sweeps now and then every `everyMs`. A round that fails is logged and the next one tries again. */
export function keepRetention(db: Pick<Database, 'run'>, retention: Retention): () => Promise<void> {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const round = async (): Promise<void> => {
    try {
      const deleted = await sweepAll(db, retention, stopping.signal);
      if (deleted > 0) retention.log?.info({ deleted }, 'old predictions are forgotten');
    } catch (error) {
      retention.log?.error({ err: error }, 'old predictions could not be forgotten');
    }
    if (!stopping.signal.aborted) timer = setTimeout(next, retention.everyMs).unref();
  };
  let running = round();
  const next = (): void => {
    running = round();
  };
  return async () => {
    stopping.abort();
    clearTimeout(timer);
    await running;
  };
}
