/** Delivers what the outbox holds: at least once, with back-off for a day, each target at its own pace. */
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Database } from '../db/database.js';
import type { Page } from '../db/newest-first.js';
import {
  type Delivery,
  type DeliveryListOptions,
  type DueDelivery,
  dueDeliveries,
  hasNewEvents,
  listDeliveries,
} from '../db/outbox.js';
import { failpoint } from '../failpoints.js';
import { packageVersion } from '../package.js';
import type { Actor } from '../roles.js';
import { signature } from './signature.js';
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

const AT_ONCE = 4;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 2 * 3_600_000;
const GONE = 410;

/** What a target waits for beside its deliveries: attempts that could not be noted would be made again at once. */
interface Hold {
  /** How many rounds in a row could not be noted. */
  failures: number;
  /** Milliseconds since 1970: nothing is sent before. */
  until: number;
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

interface Sender extends WebhooksParts {
  readonly agent: Agent;
  readonly timeoutMs: number;
  readonly closing: AbortSignal;
}

/** Sends nothing while no attempt can be noted, or after one that could not, for ever longer. */
function delivering(sender: Sender, target: WebhookTarget): () => Promise<boolean> {
  const hold: Hold = { failures: 0, until: 0 };
  return async () => {
    if (sender.database.health().writing !== 'open' || sender.now() < hold.until) return false;
    try {
      const more = await deliverDue(sender, target);
      hold.failures = 0;
      return more;
    } catch (error) {
      hold.until = sender.now() + backOff(hold.failures, sender.random);
      hold.failures += 1;
      throw error;
    }
  };
}

/** Rejects with the first failure to note an attempt, once all are over. */
async function deliverDue(sender: Sender, target: WebhookTarget): Promise<boolean> {
  const at = new Date(sender.now()).toISOString();
  const due = await dueDeliveries(sender.database.kysely, { target: target.id, at, limit: AT_ONCE });
  const ends = await Promise.allSettled(due.map((delivery) => deliver(sender, target, delivery)));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return due.length === AT_ONCE;
}

interface Outcome {
  readonly status: number | null;
  /** Null: it was taken. */
  readonly error: string | null;
  /** What the target asks for. */
  readonly retryAfterMs: number;
}

async function deliver(sender: Sender, target: WebhookTarget, delivery: DueDelivery): Promise<void> {
  const { database, now, closing } = sender;
  const { status, error, retryAfterMs } = await send(sender, target, delivery);
  failpoint('delivery.sent');
  if (closing.aborted && error !== null) return;
  const over = error === null || status === GONE;
  const next = now() + Math.max(backOff(delivery.attempts, sender.random), retryAfterMs);
  const next_at = over || next >= Date.parse(delivery.give_up_at) ? null : new Date(next).toISOString();
  const { id, attempts } = delivery;
  await database.run('noteAttempt', { id, attempts, at: new Date(now()).toISOString(), status, error, next_at });
  failpoint('delivery.noted');
}

/** 5 s, 10 s, 20 s … 2 h, each between the half and the whole of it so that targets are not met by all at once. */
export function backOff(attempts: number, random: () => number): number {
  const whole = Math.min(FIRST_PAUSE_MS * 2 ** attempts, LONGEST_PAUSE_MS);
  return whole * (0.5 + random() / 2);
}

/** A redirect is not followed: the address in the configuration is the only one that is meant. */
async function send(sender: Sender, target: WebhookTarget, delivery: DueDelivery): Promise<Outcome> {
  const { agent, timeoutMs, closing, now } = sender;
  const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
  const body = JSON.stringify({
    type: delivery.type,
    timestamp: delivery.at,
    data: JSON.parse(delivery.data) as unknown,
  });
  const headers = headersOf(target, { id: delivery.event_id, timestamp: Math.floor(now() / 1000), body });
  try {
    const answer = await request(target.url, { dispatcher: agent, method: 'POST', headers, body, signal });
    answer.body.on('error', () => undefined).destroy();
    const { statusCode: status } = answer;
    const error = status >= 200 && status < 300 ? null : `the target answered ${status}`;
    return { status, error, retryAfterMs: retryAfter(answer.headers['retry-after']) };
  } catch (error) {
    return { status: null, error: reasonOf(error), retryAfterMs: 0 };
  }
}

const headersOf = ({ keys }: WebhookTarget, signed: Parameters<typeof signature>[1]): Record<string, string> => ({
  'content-type': 'application/json',
  'user-agent': `errata/${packageVersion()}`,
  'webhook-id': signed.id,
  'webhook-timestamp': String(signed.timestamp),
  'webhook-signature': signature(keys, signed),
});

const MOST_SECONDS = 86_400;

function retryAfter(header: string | string[] | undefined): number {
  const text = [header].flat()[0] ?? '';
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MOST_SECONDS) * 1000 : 0;
}

/** The kind of the failure: messages of the network name addresses. */
function reasonOf(error: unknown): string {
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  return name === 'TimeoutError' || /TIMEOUT/.test(code ?? '')
    ? 'the target took too long'
    : `no answer: ${code ?? name ?? 'unknown'}`;
}
