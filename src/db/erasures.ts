/** The units of work that erase texts: a bounded number of rows at a time, each with all that was made of it. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Actor } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import { type FlipReport, withoutTexts } from './flip-texts.js';
import type { ErasuresTable, RunState, Schema } from './schema.js';
import { forgetPredictions } from './sweep.js';

export type ErasureRow = Selectable<ErasuresTable>;

export interface BeginErasureInput extends Pick<ErasureRow, 'id' | 'kind' | 'subject' | 'reason' | 'started_at'> {
  readonly by: Actor;
}

export interface EraseSomeInput {
  readonly erasure_id: string;
  /** Of each table at most so many rows, so that others get their turn. */
  readonly limit: number;
  readonly target: ErasureTarget;
}

/** A page by its id; a pair by the digest of its normalised texts, and the ids of all texts that read the same. */
export type ErasureTarget =
  | { readonly kind: 'page'; readonly page_id: string }
  | {
      readonly kind: 'pair';
      readonly pair_sha256: string;
      readonly premise_ids: readonly number[];
      readonly hypothesis_ids: readonly number[];
    };

const CORRECTION_TABLES = ['nli_corrections', 'nli_correction_history'] as const;

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

/** Erases up to `limit` rows of each table, with the answers and reports that hold them. True: another call finds more. */
export async function eraseSome(db: Kysely<Schema>, { erasure_id, limit, target }: EraseSomeInput): Promise<boolean> {
  const victims = await victimsOf(db, target, limit);
  const corrections = await correctionsOf(db, target, victims, limit);
  const texts = victims.length > 0 ? await forgetPredictions(db, victims) : 0;
  failpoint('erasure.judgements.deleted');
  for (const table of CORRECTION_TABLES)
    if (corrections.length > 0) await db.deleteFrom(table).where('id', 'in', corrections).execute();
  failpoint('erasure.corrections.deleted');
  const answers = await eraseAnswers(db, corrections);
  const flips = await eraseFlips(db, corrections);
  await note(db, erasure_id, corrections, { predictions: victims.length, texts, answers, flips });
  failpoint('erasure.noted');
  return victims.length === limit || corrections.length > 0;
}

const victimsOf = (db: Kysely<Schema>, target: ErasureTarget, limit: number) =>
  db
    .selectFrom('predictions')
    .select(['seq', 'id', 'premise_id', 'hypothesis_id'])
    .where((eb) =>
      target.kind === 'page'
        ? eb('page_id', '=', target.page_id)
        : eb.and([eb('premise_id', 'in', target.premise_ids), eb('hypothesis_id', 'in', target.hypothesis_ids)]),
    )
    .orderBy('seq')
    .limit(limit)
    .execute();

/** Ids, current or ended; also of corrections of the judgements that go. */
async function correctionsOf(
  db: Kysely<Schema>,
  target: ErasureTarget,
  victims: readonly { readonly id: string }[],
  limit: number,
): Promise<string[]> {
  const judgements = victims.map(({ id }) => id);
  const ids: string[] = [];
  for (const table of CORRECTION_TABLES) {
    const rows = await db
      .selectFrom(table as 'nli_corrections')
      .select('id')
      .where((eb) =>
        eb.or([
          target.kind === 'page' ? eb('page_id', '=', target.page_id) : eb('pair_sha256', '=', target.pair_sha256),
          eb('prediction_id', 'in', judgements),
        ]),
      )
      .limit(limit)
      .execute();
    ids.push(...rows.map(({ id }) => id));
  }
  return ids;
}

/** Answers kept for a repeated request: who repeats it now is answered as for the first time. */
async function eraseAnswers(db: Kysely<Schema>, corrections: readonly string[]): Promise<number> {
  if (corrections.length === 0) return 0;
  const { numDeletedRows } = await db
    .deleteFrom('idempotency_keys')
    .where(
      sql<boolean>`exists (select 1 from json_tree(answer) as part
        where part.key = 'id' and part.atom in (select value from json_each(${JSON.stringify(corrections)})))`,
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

async function eraseFlips(db: Kysely<Schema>, corrections: readonly string[]): Promise<number> {
  if (corrections.length === 0) return 0;
  const rows = await db
    .selectFrom('shadow_comparisons')
    .select(['id', 'report'])
    .where(
      sql<boolean>`report is not null and exists (select 1 from json_tree(report, '$.flips') as part
        where part.key = 'correction_id' and part.atom in (select value from json_each(${JSON.stringify(corrections)})))`,
    )
    .execute();
  let erased = 0;
  for (const { id, report } of rows) {
    const without = withoutTexts(JSON.parse(report ?? '') as FlipReport, new Set(corrections));
    await db
      .updateTable('shadow_comparisons')
      .set({ report: JSON.stringify(without.report) })
      .where('id', '=', id)
      .execute();
    erased += without.flips;
  }
  return erased;
}

type Counts = Pick<ErasureRow, 'predictions' | 'texts' | 'answers' | 'flips'>;

async function note(db: Kysely<Schema>, id: string, corrections: readonly string[], counts: Counts): Promise<void> {
  const rows = [...new Set(corrections)].map((correction_id) => ({ erasure_id: id, correction_id }));
  if (rows.length > 0)
    await db
      .insertInto('erased_corrections')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  await db
    .updateTable('erasures')
    .set((eb) => ({
      predictions: eb('predictions', '+', counts.predictions),
      texts: eb('texts', '+', counts.texts),
      answers: eb('answers', '+', counts.answers),
      flips: eb('flips', '+', counts.flips),
    }))
    .where('id', '=', id)
    .execute();
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
