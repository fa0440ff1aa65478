/** The erasures themselves: how one begins and ends, and what the log of them tells. The texts go in between. */
import type { Kysely, Selectable } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Actor } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { ErasuresTable, RunState, Schema } from './schema.js';

export type ErasureRow = Selectable<ErasuresTable>;

export interface BeginErasureInput extends Pick<ErasureRow, 'id' | 'kind' | 'subject' | 'reason' | 'started_at'> {
  readonly by: Actor;
}

/** The erasure of this subject that was begun and has not ended, else a new one. */
export async function beginErasure(db: Kysely<Schema>, input: BeginErasureInput): Promise<ErasureRow> {
  const open = await db
    .selectFrom('erasures')
    .selectAll()
    .where('kind', '=', input.kind)
    .where('subject', '=', input.subject)
    .where('ended_at', 'is', null)
    .executeTakeFirst();
  const nothing = { predictions: 0, texts: 0, answers: 0, flips: 0 };
  if (open) return open;
  const { by, ...begun } = input;
  await appendAudit(db, auditOf(input));
  failpoint('erasure.begin.written');
  const values = { ...begun, actor: by.actor, ...nothing };
  return await db.insertInto('erasures').values(values).returningAll().executeTakeFirstOrThrow();
}

/** A page's id and a pair's digest are no texts: the log may keep them. */
const auditOf = ({ id, kind, subject, by, started_at }: BeginErasureInput): AuditEntry => ({
  ...by,
  at: started_at,
  act: 'erasure',
  subject_type: kind,
  subject_id: subject,
  detail: { erasure_id: id },
});

/** An erasure as the list tells it: what it was of and what it removed, none of the texts. */
export interface ErasureItem extends Omit<ErasureRow, 'seq'> {
  readonly corrections: number;
}

/** Newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listErasures(db: Kysely<Schema>, page: PageRequest): Promise<Page<ErasureItem>> {
  const read = ({ before, limit }: Stretch) =>
    db
      .selectFrom('erasures')
      .selectAll()
      .select((eb) =>
        eb
          .selectFrom('erased_corrections')
          .select((one) => one.fn.countAll<number>().as('n'))
          .whereRef('erasure_id', '=', 'erasures.id')
          .as('corrections'),
      )
      .where('seq', '<', before)
      .orderBy('seq', 'desc')
      .limit(limit)
      .execute();
  return newestFirst(page, read, ({ seq: _, corrections, ...row }) => ({ ...row, corrections: corrections ?? 0 }));
}

export interface EndErasureInput {
  readonly id: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
}

/** A run that learnt from what was erased. */
export interface TaughtRun {
  readonly run_id: string;
  readonly state: RunState;
  /** Null: it made none, or none yet. */
  readonly adapter: { readonly id: string; readonly version: string; readonly digest: string } | null;
}

export interface EndedErasure {
  readonly row: ErasureRow;
  readonly correction_ids: string[];
  readonly runs: TaughtRun[];
}

/** To be called when the file holds nothing any more that was deleted. */
export async function endErasure(db: Kysely<Schema>, { id, at }: EndErasureInput): Promise<EndedErasure> {
  await db.updateTable('erasures').set({ ended_at: at }).where('id', '=', id).where('ended_at', 'is', null).execute();
  failpoint('erasure.end.written');
  const row = await db.selectFrom('erasures').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const corrections = await db
    .selectFrom('erased_corrections')
    .select('correction_id')
    .where('erasure_id', '=', id)
    .orderBy('correction_id')
    .execute();
  return { row, correction_ids: corrections.map(({ correction_id }) => correction_id), runs: await taught(db, id) };
}

async function taught(db: Kysely<Schema>, id: string): Promise<TaughtRun[]> {
  const rows = await db
    .selectFrom('training_runs as run')
    .leftJoin('adapters', 'adapters.id', 'run.adapter_id')
    .select(['run.id as run_id', 'run.state', 'adapters.id', 'version', 'digest'])
    .where('run.id', 'in', (eb) =>
      eb
        .selectFrom('training_run_corrections as learnt')
        .innerJoin('erased_corrections as erased', 'erased.correction_id', 'learnt.correction_id')
        .select('learnt.run_id')
        .where('learnt.used', '=', 1)
        .where('erased.erasure_id', '=', id),
    )
    .orderBy('run.seq')
    .execute();
  return rows.map(({ run_id, state, id: adapter, version, digest }) => ({
    run_id,
    state,
    adapter: adapter === null || version === null || digest === null ? null : { id: adapter, version, digest },
  }));
}
