/** The outbox: what is told to others is written in the transaction of what happened, and delivered after it. */
import { randomUUID } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Actor } from '../roles.js';
import { appendAudit } from './audit.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { DeliveryState, EventType, Schema, WebhookDeliveriesTable } from './schema.js';

export const EVENT_TYPES = [
  'run.ended',
  'comparison.ready',
  'adapter.promoted',
  'adapter.rolled_back',
  'corrections.threshold_reached',
] as const satisfies readonly EventType[];

export interface NewEvent {
  readonly type: EventType;
  /** Ids, states and figures; never a text of a pair. */
  readonly data: Readonly<Record<string, unknown>>;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
}

/** To be called inside the unit that does what is told. */
export async function enqueueEvent(db: Kysely<Schema>, { type, data, at }: NewEvent): Promise<void> {
  const event = { id: `msg_${randomUUID()}`, type, data: JSON.stringify(data), at, spread: 0 } as const;
  await db.insertInto('webhook_events').values(event).execute();
  failpoint('event.written');
}

export interface SpreadInput {
  /** `types` null: all of them. */
  readonly targets: readonly { readonly id: string; readonly types: readonly EventType[] | null }[];
  readonly at: string;
}

const EVENTS_PER_UNIT = 100;
const GIVE_UP_MS = 24 * 3_600_000;
const KEPT_MS = 30 * 24 * 3_600_000;

const later = (at: string, ms: number): string => new Date(Date.parse(at) + ms).toISOString();

/** Makes the deliveries of new events, ends those to targets that are gone, forgets old ones. True: more events wait. */
export async function spreadEvents(db: Kysely<Schema>, { targets, at }: SpreadInput): Promise<boolean> {
  await endOrphans(
    db,
    targets.map(({ id }) => id),
    at,
  );
  await forgetOld(db, later(at, -KEPT_MS));
  const fresh = db.selectFrom('webhook_events').select(['id', 'type']).where('spread', '=', 0);
  const events = await fresh.orderBy('seq').limit(EVENTS_PER_UNIT).execute();
  const deliveries = events.flatMap(({ id, type }) =>
    targets.filter(({ types }) => types?.includes(type) ?? true).map((target) => newDelivery(id, target.id, at)),
  );
  if (deliveries.length > 0) await db.insertInto('webhook_deliveries').values(deliveries).execute();
  failpoint('deliveries.written');
  const ids = events.map(({ id }) => id);
  await db.updateTable('webhook_events').set({ spread: 1 }).where('id', 'in', ids).execute();
  failpoint('deliveries.spread');
  return events.length === EVENTS_PER_UNIT;
}

const newDelivery = (event_id: string, target: string, at: string) =>
  ({
    id: randomUUID(),
    event_id,
    target,
    state: 'pending',
    attempts: 0,
    next_at: at,
    give_up_at: later(at, GIVE_UP_MS),
    created_at: at,
  }) as const;

async function endOrphans(db: Kysely<Schema>, targets: readonly string[], at: string): Promise<void> {
  const end = { state: 'failed', next_at: null, ended_at: at, last_error: 'the target is not configured' } as const;
  await db
    .updateTable('webhook_deliveries')
    .set(end)
    .where('state', '=', 'pending')
    .where('target', 'not in', targets)
    .execute();
}

async function forgetOld(db: Kysely<Schema>, before: string): Promise<void> {
  await db
    .deleteFrom('webhook_deliveries')
    .where('state', '!=', 'pending')
    .where('created_at', '<', before)
    .where('ended_at', '<', before)
    .execute();
  await db
    .deleteFrom('webhook_events')
    .where('spread', '=', 1)
    .where('at', '<', before)
    .where('id', 'not in', (eb) => eb.selectFrom('webhook_deliveries').select('event_id'))
    .execute();
}

/** Whether `spreadEvents` has something to do beside forgetting. */
export async function hasNewEvents(db: Kysely<Schema>): Promise<boolean> {
  const row = await db.selectFrom('webhook_events').select('seq').where('spread', '=', 0).limit(1).executeTakeFirst();
  return row !== undefined;
}

export interface DueDelivery {
  readonly id: string;
  readonly attempts: number;
  readonly give_up_at: string;
  readonly event_id: string;
  readonly type: EventType;
  /** JSON. */
  readonly data: string;
  readonly at: string;
}

/** What is to be delivered to the target by now, longest due first. */
export async function dueDeliveries(
  db: Kysely<Schema>,
  { target, at, limit }: { readonly target: string; readonly at: string; readonly limit: number },
): Promise<DueDelivery[]> {
  return await db
    .selectFrom('webhook_deliveries as delivery')
    .innerJoin('webhook_events as event', 'event.id', 'delivery.event_id')
    .select(['delivery.id', 'attempts', 'give_up_at', 'event_id', 'type', 'data', 'at'])
    .where('target', '=', target)
    .where('state', '=', 'pending')
    .where('next_at', '<=', at)
    .orderBy('next_at')
    .orderBy('delivery.seq')
    .limit(limit)
    .execute();
}

export interface AttemptInput {
  readonly id: string;
  /** How many there were before: an answer that comes after a replay changes nothing. */
  readonly attempts: number;
  readonly at: string;
  readonly status: number | null;
  readonly error: string | null;
  /** When to try again; null: it ends, as `delivered` without an error. */
  readonly next_at: string | null;
}

export async function noteAttempt(db: Kysely<Schema>, input: AttemptInput): Promise<void> {
  const { id, attempts, at, status, error, next_at } = input;
  const ended = error === null ? ('delivered' as const) : ('failed' as const);
  await db
    .updateTable('webhook_deliveries')
    .set({
      attempts: attempts + 1,
      last_at: at,
      last_status: status,
      last_error: error,
      next_at,
      state: next_at === null ? ended : 'pending',
      ended_at: next_at === null ? at : null,
    })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .where('attempts', '=', attempts)
    .execute();
  failpoint('delivery.noted.written');
}

export type Delivery = Omit<Selectable<WebhookDeliveriesTable>, 'seq'> & { readonly type: EventType };

const selectDeliveries = (db: Kysely<Schema>) =>
  db
    .selectFrom('webhook_deliveries as delivery')
    .innerJoin('webhook_events as event', 'event.id', 'delivery.event_id')
    .selectAll('delivery')
    .select('type');

export interface ReplayInput {
  readonly id: string;
  readonly at: string;
  readonly by: Actor;
}

/** Sends it again from now on for 24 hours, under the same webhook-id. Throws Problem 'not-found'. */
export async function replayDelivery(db: Kysely<Schema>, { id, at, by }: ReplayInput): Promise<Delivery> {
  await db
    .updateTable('webhook_deliveries')
    .set({ state: 'pending', attempts: 0, next_at: at, give_up_at: later(at, GIVE_UP_MS), ended_at: null })
    .where('id', '=', id)
    .execute();
  failpoint('delivery.replay.written');
  const row = await selectDeliveries(db).where('delivery.id', '=', id).executeTakeFirst();
  if (row === undefined) throw new Problem('not-found', 'there is no delivery of this id');
  const { seq: _, ...delivery } = row;
  const detail = { target: row.target, event_id: row.event_id };
  await appendAudit(db, { ...by, at, act: 'webhook.replay', subject_type: 'delivery', subject_id: id, detail });
  return delivery;
}

export interface DeliveryListOptions extends PageRequest {
  readonly state?: DeliveryState | undefined;
  readonly target?: string | undefined;
}

/** Newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listDeliveries(
  db: Kysely<Schema>,
  { state, target, ...page }: DeliveryListOptions,
): Promise<Page<Delivery>> {
  const read = ({ before, limit }: Stretch) =>
    selectDeliveries(db)
      .where('delivery.seq', '<', before)
      .$if(state !== undefined, (query) => query.where('state', '=', state as DeliveryState))
      .$if(target !== undefined, (query) => query.where('target', '=', target as string))
      .orderBy('delivery.seq', 'desc')
      .limit(limit)
      .execute();
  return newestFirst(page, read, ({ seq: _, ...delivery }) => delivery);
}
