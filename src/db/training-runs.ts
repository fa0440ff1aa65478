/** The acts of a training run, each a unit of work: state, event and rows change together, and only one of two wins. */
import { createHash } from 'node:crypto';
import type { Kysely, Updateable } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import { enqueueEvent } from './outbox.js';
import type { RunState, Schema, Side, TrainingRunsTable } from './schema.js';
import { idsOfNewestRun, type LeftOutRow, type RunCounts, type RunProgress } from './training-run-rows.js';

/** A row that may be trained on or compared on. */
export interface UsableRow {
  readonly correction_id: string;
  readonly side: Side;
  readonly kind: 'correction' | 'confirmation';
}

export interface StartRunInput {
  readonly id: string;
  readonly at: string;
  readonly actor: string | null;
  /** Who asks, for the audit log; the service itself by default. */
  readonly by?: Actor;
  readonly base_model: string;
  readonly base_digest: string;
  readonly code_version: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly seed: number;
  readonly replay: 'none' | 'confirmations';
  readonly min_corrections: number;
  readonly force: boolean;
  /** Set: the trigger asks, and the run starts only when so many usable corrections are new since the newest run. */
  readonly when_new: number | null;
  readonly rows: readonly UsableRow[];
  readonly left_out: readonly LeftOutRow[];
}

const ROWS_PER_STATEMENT = 5000;
/** What a run may die of, it mostly dies of again. */
export const MOST_CRASHES = 3;

/** In an order that the seed draws, so that a part of them is a fair one. */
function drawn(rows: readonly UsableRow[], seed: number): UsableRow[] {
  const key = (row: UsableRow): string => createHash('sha256').update(`${seed}:${row.correction_id}`).digest('hex');
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row);
}

/** Which rows of the training side are learnt from. */
function usedRows({ rows, replay, seed }: StartRunInput): Set<string> {
  const train = rows.filter(({ side }) => side === 'train');
  const corrections = train.filter(({ kind }) => kind === 'correction');
  const confirmations = replay === 'none' ? [] : train.filter(({ kind }) => kind === 'confirmation');
  const replayed = drawn(confirmations, seed).slice(0, corrections.length);
  return new Set([...corrections, ...replayed].map(({ correction_id }) => correction_id));
}

function countsOf({ rows, left_out }: StartRunInput, used: ReadonlySet<string>): RunCounts {
  const count = (side: Side, kind: UsableRow['kind']) =>
    rows.filter((row) => row.side === side && row.kind === kind).length;
  const side = (name: Side) => ({
    corrections: count(name, 'correction'),
    confirmations: count(name, 'confirmation'),
  });
  const reasons: Record<string, number> = {};
  for (const { reason } of left_out) reasons[reason] = (reasons[reason] ?? 0) + 1;
  return { train: side('train'), validation: side('validation'), used: used.size, left_out: reasons };
}

function refuseTooFew({ rows, min_corrections, force }: StartRunInput, used: ReadonlySet<string>): void {
  const usable = rows.filter(({ kind }) => kind === 'correction').length;
  if (usable < min_corrections && !force)
    throw new Problem(
      'conflict',
      `${usable} corrections are usable and ${min_corrections} are needed: "force": true trains on fewer`,
    );
  if (used.size === 0)
    throw new Problem(
      'conflict',
      `none of ${usable} usable corrections is on the training side: nothing can be learnt`,
    );
}

async function countNew(db: Kysely<Schema>, { base_digest, rows }: StartRunInput): Promise<number> {
  const known = await idsOfNewestRun(db, base_digest);
  return rows.filter(({ kind, correction_id }) => kind === 'correction' && !known.has(correction_id)).length;
}

/**
 * Puts a run into the queue. Asked by the trigger it resolves with false when too few corrections are new: two that ask
 * at once start one run. Throws Problem 'conflict' when too few corrections are usable.
 */
export async function startTrainingRun(db: Kysely<Schema>, input: StartRunInput): Promise<boolean> {
  const fresh = input.when_new === null ? null : await countNew(db, input);
  if (input.when_new !== null && (fresh ?? 0) < input.when_new) return false;
  const used = usedRows(input);
  refuseTooFew(input, used);
  await db
    .insertInto('training_runs')
    .values({
      id: input.id,
      state: 'queued',
      started_by: input.when_new === null ? 'request' : 'trigger',
      actor: input.actor,
      base_model: input.base_model,
      base_digest: input.base_digest,
      parameters: JSON.stringify(input.parameters),
      manifest: JSON.stringify({ code_version: input.code_version, left_out: input.left_out }),
      counts: JSON.stringify(countsOf(input, used)),
      seed: input.seed,
      attempt: 0,
      crashes: 0,
      created_at: input.at,
    })
    .execute();
  failpoint('run.row.written');
  await insertRows(db, input, used);
  failpoint('run.plan.written');
  await addEvents(db, input.id, input.at, [{ type: 'state', state: 'queued' }]);
  await audited(db, 'run.start', input, { trigger: input.when_new !== null, force: input.force, used: used.size });
  const data = { threshold: input.when_new, new_corrections: fresh, run_id: input.id };
  if (fresh !== null) await enqueueEvent(db, { type: 'corrections.threshold_reached', data, at: input.at });
  return true;
}

const audited = (
  db: Kysely<Schema>,
  act: `run.${'start' | 'cancel' | 'end'}`,
  { id, at, by = SERVICE }: { readonly id: string; readonly at: string; readonly by?: Actor },
  detail: AuditEntry['detail'],
): Promise<void> => appendAudit(db, { ...by, at, act, subject_type: 'training_run', subject_id: id, detail });

async function insertRows(db: Kysely<Schema>, { id, rows }: StartRunInput, used: ReadonlySet<string>): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
    const part = rows.slice(from, from + ROWS_PER_STATEMENT).map(({ correction_id, side }) => ({
      run_id: id,
      correction_id,
      side,
      used: used.has(correction_id) ? (1 as const) : (0 as const),
    }));
    await db.insertInto('training_run_corrections').values(part).execute();
  }
}

type Event = { readonly type: string } & Readonly<Record<string, unknown>>;

async function addEvents(db: Kysely<Schema>, run_id: string, at: string, events: readonly Event[]): Promise<void> {
  if (events.length === 0) return;
  const { last } = await db
    .selectFrom('training_run_events')
    .select((eb) => eb.fn.max<number | null>('seq').as('last'))
    .where('run_id', '=', run_id)
    .executeTakeFirstOrThrow();
  const rows = events.map((event, i) => ({ run_id, seq: (last ?? 0) + 1 + i, at, event: JSON.stringify(event) }));
  await db.insertInto('training_run_events').values(rows).execute();
}

export interface BeginRunInput {
  readonly base_digest: string;
  readonly at: string;
}

/** The oldest queued run of the base model is running from now on; null: none waits, or one runs already. */
export async function beginTrainingRun(db: Kysely<Schema>, { base_digest, at }: BeginRunInput): Promise<Fence | null> {
  const runs = db.selectFrom('training_runs').where('base_digest', '=', base_digest).orderBy('seq').limit(1);
  const running = await runs.select('id').where('state', '=', 'running').executeTakeFirst();
  const next = await runs.select(['id', 'attempt', 'started_at']).where('state', '=', 'queued').executeTakeFirst();
  if (running !== undefined || next === undefined) return null;
  return await enter(db, next, at);
}

/** A run in one of its attempts. */
export interface Fence {
  readonly id: string;
  readonly attempt: number;
}

async function enter(
  db: Kysely<Schema>,
  run: { readonly id: string; readonly attempt: number; readonly started_at: string | null },
  at: string,
): Promise<Fence> {
  const attempt = run.attempt + 1;
  const values = { state: 'running' as const, attempt, started_at: run.started_at ?? at };
  await db.updateTable('training_runs').set(values).where('id', '=', run.id).execute();
  await addEvents(db, run.id, at, [{ type: 'state', state: 'running', attempt }]);
  failpoint('run.claim.written');
  return { id: run.id, attempt };
}

/** Whether the attempt is still the run's present one: if not, somebody has ended it, and what it wrote is refused. */
async function holds(db: Kysely<Schema>, { id, attempt }: Fence): Promise<boolean> {
  const row = await db
    .selectFrom('training_runs')
    .select('id')
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return row !== undefined;
}

async function change(
  db: Kysely<Schema>,
  { id }: Fence,
  values: Updateable<TrainingRunsTable>,
  at: string,
  events: readonly Event[],
): Promise<void> {
  await db.updateTable('training_runs').set(values).where('id', '=', id).execute();
  await addEvents(db, id, at, events);
  if (values.ended_at !== undefined) await tellEnd(db, id, at);
}

async function tellEnd(db: Kysely<Schema>, id: string, at: string): Promise<void> {
  const data = await db
    .selectFrom('training_runs')
    .select(['id as run_id', 'state', 'started_by', 'adapter_id', 'comparison_id'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  await enqueueEvent(db, { type: 'run.ended', data, at });
}

export interface NoteRunInput extends Fence {
  readonly at: string;
  readonly events: readonly Event[];
  readonly progress?: RunProgress;
  readonly adapter_id?: string;
  readonly comparison_id?: string;
}

/** Keeps what a running run has to tell; false: the attempt is not the present one any more. */
export async function noteTrainingRun(db: Kysely<Schema>, input: NoteRunInput): Promise<boolean> {
  if (!(await holds(db, input))) return false;
  const { at, events, progress, adapter_id, comparison_id } = input;
  const values = {
    ...(progress && { progress: JSON.stringify(progress) }),
    ...(adapter_id !== undefined && { adapter_id }),
    ...(comparison_id !== undefined && { comparison_id }),
  };
  if (Object.keys(values).length === 0) await addEvents(db, input.id, at, events);
  else await change(db, input, values, at, events);
  failpoint('run.note.written');
  return true;
}

export interface EndRunInput extends Fence {
  readonly at: string;
  readonly state: 'succeeded' | 'failed';
  /** Of a failed run. */
  readonly error: string | null;
}

/** False: the run had ended before, or another attempt goes on. */
export async function endTrainingRun(db: Kysely<Schema>, input: EndRunInput): Promise<boolean> {
  if (!(await holds(db, input))) return false;
  const { state, error, at } = input;
  await change(db, input, { state, error, ended_at: at }, at, [
    { type: 'state', state, ...(error !== null && { error }) },
  ]);
  await audited(db, 'run.end', input, { state, attempt: input.attempt });
  failpoint('run.end.written');
  return true;
}

export interface CrashRunInput extends Fence {
  readonly at: string;
  readonly reason: string;
}

/** The attempt ended by itself. Resolves with the next one, or null: it was the third, and the run has failed. */
export async function crashTrainingRun(db: Kysely<Schema>, input: CrashRunInput): Promise<Fence | null> {
  if (!(await holds(db, input))) return null;
  const { id, at, reason } = input;
  const run = await db
    .selectFrom('training_runs')
    .select(['id', 'attempt', 'crashes', 'started_at'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const crashes = run.crashes + 1;
  const interrupted = { type: 'interrupted', attempt: run.attempt, reason };
  if (crashes >= MOST_CRASHES) {
    const error = `${reason}; given up after ${crashes} attempts`;
    const ended = { state: 'failed' as const, error, crashes, ended_at: at };
    await change(db, input, ended, at, [interrupted, { type: 'state', state: 'failed', error }]);
    await audited(db, 'run.end', input, { state: 'failed', attempt: run.attempt });
    return null;
  }
  await change(db, input, { crashes }, at, [interrupted]);
  failpoint('run.crash.written');
  return await enter(db, run, at);
}

/** The service closes: the run goes back into the queue, and on from its last state when the service is there again. */
export async function parkTrainingRun(db: Kysely<Schema>, input: Fence & { readonly at: string }): Promise<boolean> {
  if (!(await holds(db, input))) return false;
  await change(db, input, { state: 'queued' }, input.at, [{ type: 'state', state: 'queued' }]);
  failpoint('run.park.written');
  return true;
}

export interface CancelRunInput {
  readonly id: string;
  readonly at: string;
  /** Who asks; the service itself by default. */
  readonly by?: Actor;
}

/** The state after it. Throws 'not-found', and 'conflict' for a run that has ended otherwise; a second time changes nothing. */
export async function cancelTrainingRun(db: Kysely<Schema>, input: CancelRunInput): Promise<RunState> {
  const { id, at } = input;
  const run = await db
    .selectFrom('training_runs')
    .select(['id', 'attempt', 'state'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (run === undefined) throw new Problem('not-found', 'there is no training run of this id');
  if (run.state === 'succeeded' || run.state === 'failed')
    throw new Problem('conflict', `the training run has ended: it ${run.state}`);
  if (run.state === 'cancelled') return run.state;
  await change(db, run, { state: 'cancelled', ended_at: at }, at, [{ type: 'state', state: 'cancelled' }]);
  await audited(db, 'run.cancel', input, {});
  failpoint('run.cancel.written');
  return 'cancelled';
}

/** Runs that a service left running when it ended without closing. */
export async function runningTrainingRuns(db: Kysely<Schema>): Promise<(Fence & { readonly base_digest: string })[]> {
  return await db
    .selectFrom('training_runs')
    .select(['id', 'attempt', 'base_digest'])
    .where('state', '=', 'running')
    .orderBy('seq')
    .execute();
}
