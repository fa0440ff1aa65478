/** What is due at one target, sent and noted: again after a failure, ever later, for a day. */
import type { Database } from '../db/database.js';
import { type DueDelivery, dueDeliveries } from '../db/outbox.js';
import { failpoint } from '../failpoints.js';
import { send, type Sending } from './send.js';
import type { WebhookTarget } from './targets.js';

const AT_ONCE = 4;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 2 * 3_600_000;
const GONE = 410;

export interface Sender extends Sending {
  readonly database: Pick<Database, 'run' | 'kysely' | 'health'>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** What a target waits for beside its deliveries: attempts that could not be noted would be made again at once. */
interface Hold {
  /** How many rounds in a row could not be noted. */
  failures: number;
  /** Milliseconds since 1970: nothing is sent before. */
  until: number;
}

/** Sends nothing while no attempt can be noted, or after one that could not, for ever longer. */
export function delivering(sender: Sender, target: WebhookTarget): () => Promise<boolean> {
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
