/** Keeps the recorded judgements within an age and a size, a little at a time. */
import type { Log } from '../log.js';
import type { Database } from './database.js';
import { sizeOf } from './sweep.js';

export interface Retention {
  /** Judgements older than this go; 30 by default. */
  readonly days?: number;
  /** The oldest go while judgements and their texts take more, down to those of the last hour. */
  readonly maxBytes: number;
  /** From the end of one round to the start of the next. */
  readonly everyMs: number;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly log?: Log;
}

/** What a round came to. */
export interface Swept {
  readonly deleted: number;
  /** Bytes that judgements still take beyond what they may: they are of the last hour. */
  readonly beyond: number;
}

/** About 10 ms of the writer's time. */
const ROWS_PER_SWEEP = 200;
const DAY_MS = 86_400_000;
/** Whoever was answered has an hour to correct it, however full it is. */
const YOUNGEST_MS = 3_600_000;

/**
 * One round: sweeps until nothing is left to forget, or `signal` fires. What judgements take is measured at most once, when
 * the file as a whole takes more than they may: from there on the file shrinks by as much.
 */
export async function sweepAll(
  db: Pick<Database, 'run' | 'kysely'>,
  { days = 30, maxBytes, clock }: Pick<Retention, 'days' | 'maxBytes' | 'clock'>,
  signal?: AbortSignal,
): Promise<Swept> {
  const at = (age: number): string => new Date(clock() - age).toISOString();
  const [before, full_before] = [at(days * DAY_MS), at(YOUNGEST_MS)];
  const { judgements, all } = await sizeOf(db.kysely, maxBytes);
  const max_bytes = judgements > maxBytes ? all - (judgements - maxBytes) : null;
  for (let deleted = 0; ;) {
    const round = await db.run('sweep', { before, max_bytes, full_before, limit: ROWS_PER_SWEEP });
    deleted += round.deleted;
    if (round.done || signal?.aborted === true)
      return { deleted, beyond: Math.max(0, round.bytes - (max_bytes ?? round.bytes)) };
  }
}

/** Sweeps now and then every `everyMs`. A round that fails is logged and the next one tries again. */
export function keepRetention(db: Pick<Database, 'run' | 'kysely'>, retention: Retention): () => Promise<void> {
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const round = async (): Promise<void> => {
    try {
      const { deleted, beyond } = await sweepAll(db, retention, stopping.signal);
      if (deleted > 0) retention.log?.info({ deleted }, 'old predictions are forgotten');
      if (beyond > 0)
        retention.log?.warn({ beyond }, 'the predictions of the last hour take more than ERRATA_RETENTION_MAX_MB');
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
