/** Rows of shadow comparisons: queued → running → succeeded | failed, each step a unit of work. */
import type { Kysely, Selectable } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import { type FlipReport, withoutTexts } from './flip-texts.js';
import { enqueueEvent } from './outbox.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { Schema, ShadowComparisonsTable } from './schema.js';
import { type Fence, refuseLate } from './training-run-acts.js';

export type ComparisonRow = Selectable<ShadowComparisonsTable>;

/** What lists tell: all but the report. */
export type ComparisonSummary = Omit<ComparisonRow, 'report'>;

export type NewComparison = Pick<
  ComparisonRow,
  | 'id'
  | 'base_digest'
  | 'old_adapter_id'
  | 'old_version'
  | 'old_digest'
  | 'new_adapter_id'
  | 'new_version'
  | 'new_digest'
  | 'run_id'
  | 'created_at'
>;

export interface InsertInput {
  readonly comparison: NewComparison;
  /** So many may wait or run. */
  readonly most_waiting: number;
  /** Who asks; the service itself by default. */
  readonly by?: Actor;
  /** The attempt of the training run that asks: refused when there is a later one. */
  readonly fence?: Fence | undefined;
}

export interface BeginInput {
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  /** A comparison that was cut short so often is given up: it may be what ends the process. */
  readonly most_attempts: number;
}

export type EndInput = Pick<
  ComparisonRow,
  'id' | 'report' | 'verdict' | 'old_accuracy' | 'new_accuracy' | 'recommend_deploy' | 'error'
> & { readonly state: 'succeeded' | 'failed'; readonly ended_at: string };

const SUMMARY = [
  'seq',
  'id',
  'state',
  'base_digest',
  'old_adapter_id',
  'old_version',
  'old_digest',
  'new_adapter_id',
  'new_version',
  'new_digest',
  'run_id',
  'attempt',
  'verdict',
  'old_accuracy',
  'new_accuracy',
  'recommend_deploy',
  'error',
  'created_at',
  'started_at',
  'ended_at',
] as const satisfies readonly (keyof ComparisonSummary)[];

const OPEN = ['queued', 'running'] as const;

/**
 * A unit of work: one more that waits. Throws Problem 'queue-full' when too many do, 'stale-precondition' when the attempt
 * that asks is not its run's present one. Resolves with its id, or that of the one which an earlier attempt of the run left.
 */
export async function insertComparison(db: Kysely<Schema>, input: InsertInput): Promise<string> {
  const { comparison, most_waiting, by = SERVICE, fence } = input;
  await refuseLate(db, fence);
  const left = fence && (await comparisonOf(db, fence.id));
  if (left !== undefined) return left;
  const { waiting } = await db
    .selectFrom('shadow_comparisons')
    .select((eb) => eb.fn.countAll<number>().as('waiting'))
    .where('state', 'in', OPEN)
    .executeTakeFirstOrThrow();
  if (waiting >= most_waiting) throw new Problem('queue-full', `at most ${most_waiting} comparisons may wait`);
  await db
    .insertInto('shadow_comparisons')
    .values({ ...comparison, state: 'queued', attempt: 0 })
    .execute();
  failpoint('comparison.row.written');
  const { id, created_at: at, old_adapter_id, new_adapter_id, run_id } = comparison;
  await audited(db, 'comparison.start', { id, at, by }, { old_adapter_id, new_adapter_id, run_id });
  return id;
}

async function comparisonOf(db: Kysely<Schema>, run_id: string): Promise<string | undefined> {
  const found = db.selectFrom('shadow_comparisons').select('id').where('run_id', '=', run_id);
  return (await found.executeTakeFirst())?.id;
}

const audited = (
  db: Kysely<Schema>,
  act: `comparison.${'start' | 'end'}`,
  { id, at, by }: { readonly id: string; readonly at: string; readonly by: Actor },
  detail: AuditEntry['detail'],
): Promise<void> => appendAudit(db, { ...by, at, act, subject_type: 'comparison', subject_id: id, detail });

const oldestOpen = (db: Kysely<Schema>) =>
  db
    .selectFrom('shadow_comparisons')
    .select(SUMMARY)
    .where('state', 'in', OPEN)
    .orderBy('state', 'desc')
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst();

/**
 * A unit of work, to be asked for when nothing is being compared: the one to do next, now `running`. One that says it runs
 * was cut short by the end of the process and is begun again, or given up. Null when none waits.
 */
export async function beginComparison(
  db: Kysely<Schema>,
  { at, most_attempts }: BeginInput,
): Promise<ComparisonSummary | null> {
  for (;;) {
    const next = await oldestOpen(db);
    if (next === undefined) return null;
    const { id, attempt } = next;
    if (attempt < most_attempts) return await begun(db, next, at);
    const error = `the service ended ${attempt} times while it compared`;
    const update = { state: 'failed', error, ended_at: at } as const;
    await db.updateTable('shadow_comparisons').set(update).where('id', '=', id).execute();
    await audited(db, 'comparison.end', { id, at, by: SERVICE }, { state: 'failed', verdict: null });
  }
}

async function begun(db: Kysely<Schema>, row: ComparisonSummary, at: string): Promise<ComparisonSummary> {
  const update = { state: 'running', started_at: at, attempt: row.attempt + 1 } as const;
  await db.updateTable('shadow_comparisons').set(update).where('id', '=', row.id).execute();
  failpoint('comparison.claim.written');
  return { ...row, ...update };
}

/** Texts may have been erased while they were compared. */
async function withoutErased(db: Kysely<Schema>, text: string): Promise<string> {
  const report = JSON.parse(text) as FlipReport;
  const ids = [...report.flips.fixed, ...report.flips.broken].map(({ correction_id }) => correction_id);
  if (ids.length === 0) return text;
  const gone = await db
    .selectFrom('erased_corrections')
    .select('correction_id')
    .where('correction_id', 'in', ids)
    .execute();
  if (gone.length === 0) return text;
  return JSON.stringify(withoutTexts(report, new Set(gone.map(({ correction_id }) => correction_id))).report);
}

/** A unit of work: the one terminal state of a running comparison. */
export async function endComparison(db: Kysely<Schema>, { id, report, ...end }: EndInput): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('shadow_comparisons')
    .set({ ...end, report: report && (await withoutErased(db, report)) })
    .where('id', '=', id)
    .where('state', '=', 'running')
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) throw new Problem('conflict', `comparison ${id} does not run`);
  const { state, verdict, ended_at: at } = end;
  await audited(db, 'comparison.end', { id, at, by: SERVICE }, { state, verdict });
  failpoint('comparison.end.written');
  if (end.state === 'succeeded') await tellReady(db, id, end.ended_at);
}

async function tellReady(db: Kysely<Schema>, id: string, at: string): Promise<void> {
  const { recommend_deploy, ...found } = await db
    .selectFrom('shadow_comparisons')
    .select(['id as comparison_id', 'run_id', 'old_adapter_id', 'new_adapter_id', 'verdict'])
    .select(['recommend_deploy', 'old_accuracy', 'new_accuracy'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const data = { ...found, recommend_deploy: recommend_deploy === 1 };
  await enqueueEvent(db, { type: 'comparison.ready', data, at });
}

/** With its report; undefined when there is none of this id. */
export const getComparison = (db: Kysely<Schema>, id: string): Promise<ComparisonRow | undefined> =>
  db.selectFrom('shadow_comparisons').selectAll().where('id', '=', id).executeTakeFirst();

/** The newest that succeeded for these two; null stands for the base model. */
export const newestComparison = (
  db: Kysely<Schema>,
  new_adapter_id: string | null,
  old_adapter_id: string | null,
): Promise<ComparisonSummary | undefined> =>
  db
    .selectFrom('shadow_comparisons')
    .select(SUMMARY)
    .where('new_adapter_id', 'is', new_adapter_id)
    .where('old_adapter_id', 'is', old_adapter_id)
    .where('state', '=', 'succeeded')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();

/** Newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listComparisons(db: Kysely<Schema>, page: PageRequest): Promise<Page<ComparisonSummary>> {
  const read = ({ before, limit }: Stretch) =>
    db
      .selectFrom('shadow_comparisons')
      .select(SUMMARY)
      .where('seq', '<', before)
      .orderBy('seq', 'desc')
      .limit(limit)
      .execute();
  return newestFirst(page, read, (row) => row);
}
