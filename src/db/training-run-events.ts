/** What every act of a training run leaves behind, in its own unit of work: events, the audit log, the outbox. */
import type { Kysely } from 'kysely';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import { enqueueEvent } from './outbox.js';
import type { Schema } from './schema.js';

export type Event = { readonly type: string } & Readonly<Record<string, unknown>>;

/** Adds to what happened in the run, in order. */
export async function addEvents(
  db: Kysely<Schema>,
  run_id: string,
  at: string,
  events: readonly Event[],
): Promise<void> {
  if (events.length === 0) return;
  const { last } = await db
    .selectFrom('training_run_events')
    .select((eb) => eb.fn.max<number | null>('seq').as('last'))
    .where('run_id', '=', run_id)
    .executeTakeFirstOrThrow();
  const rows = events.map((event, i) => ({ run_id, seq: (last ?? 0) + 1 + i, at, event: JSON.stringify(event) }));
  await db.insertInto('training_run_events').values(rows).execute();
}

/** The act's row in the audit log. */
export const audited = (
  db: Kysely<Schema>,
  act: `run.${'start' | 'cancel' | 'end'}`,
  { id, at, by = SERVICE }: { readonly id: string; readonly at: string; readonly by?: Actor },
  detail: AuditEntry['detail'],
): Promise<void> => appendAudit(db, { ...by, at, act, subject_type: 'training_run', subject_id: id, detail });

/** Those who are told of ends are told of this one. */
export async function tellEnd(db: Kysely<Schema>, id: string, at: string): Promise<void> {
  const data = await db
    .selectFrom('training_runs')
    .select(['id as run_id', 'state', 'started_by', 'adapter_id', 'comparison_id'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  await enqueueEvent(db, { type: 'run.ended', data, at });
}
