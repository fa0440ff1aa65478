/** Delivers what the outbox holds: at least once, with back-off for a day, each target at its own pace. */
import { setTimeout as pause } from 'node:timers/promises';
import { Agent } from 'undici';
import type { Database } from '../db/database.js';
import type { Page } from '../db/newest-first.js';
import { type Delivery, type DeliveryListOptions, hasNewEvents, listDeliveries } from '../db/outbox.js';
import type { Actor } from '../roles.js';
import { delivering, type Sender } from './deliver.js';
import type { WebhookTarget } from './targets.js';
import type { Log } from '../log.js';

export interface WebhooksParts {
  readonly database: Pick<Database, 'run' | 'kysely' | 'health'>;
  readonly targets: readonly WebhookTarget[];
  readonly log: Pick<Log, 'error'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** How long a target may take to answer; 15 s by default. */
  readonly timeoutMs?: number;
  /** From one look at the outbox to the next; a second by default. */
  readonly everyMs?: number;
}

export interface Webhooks {
  list(options: DeliveryListOptions): Promise<Page<Delivery>>;
  /** Sends it again, soon. Rejects with Problem 'not-found'. */
  replay(id: string, by: Actor): Promise<Delivery>;
  /** Breaks off what is under way: it is delivered by the next start. */
  close(): Promise<void>;
}

/** Starts to deliver. */
export function openWebhooks(parts: WebhooksParts): Webhooks {
  const { database, targets, now, timeoutMs = 15_000 } = parts;
  const closing = new AbortController();
  const agent = new Agent({ connectTimeout: timeoutMs, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  const sender: Sender = { ...parts, agent, timeoutMs, closing: closing.signal };
  const loops = [
    repeat(parts, closing.signal, spreading(parts)),
    ...targets.map((target) => repeat(parts, closing.signal, delivering(sender, target))),
  ];
  return {
    list: (options) => listDeliveries(database.kysely, options),
    replay: (id, by) => database.run('replayDelivery', { id, at: new Date(now()).toISOString(), by }),
    async close() {
      closing.abort();
      await Promise.all(loops);
      await agent.destroy();
    },
  };
}

/** Does `round` again at once while it finds something, else after a pause; a round that fails is logged. */
async function repeat(
  { log, everyMs = 1_000 }: WebhooksParts,
  signal: AbortSignal,
  round: () => Promise<boolean>,
): Promise<void> {
  while (!signal.aborted) {
    const more = await round().catch((error: unknown) => {
      if (!signal.aborted) log.error({ err: error }, 'webhooks could not be looked after');
      return false;
    });
    if (!more) await pause(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** The first time also without news: targets may have gone since the last start. */
function spreading({ database, targets, now }: WebhooksParts): () => Promise<boolean> {
  const known = targets.map(({ id, types }) => ({ id, types }));
  let first = true;
  return async () => {
    if (database.health().writing !== 'open') return false;
    if (!first && !(await hasNewEvents(database.kysely))) return false;
    const more = await database.run('spreadEvents', { targets: known, at: new Date(now()).toISOString() });
    first = false;
    return more;
  };
}
