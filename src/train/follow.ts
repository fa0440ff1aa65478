/** The events of a training run as they happen. */
import type { Database } from '../db/database.js';
import { findTrainingRun, readRunEvents, type RunEvent } from '../db/training-run-rows.js';

const EVENTS_PER_READ = 500;

export interface Following {
  readonly id: string;
  readonly after: number;
  readonly signal: AbortSignal;
}

/** Reads from the database whenever something changed, so that nothing is missed between history and presence. */
export async function* follow(
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
