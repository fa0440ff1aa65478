/**
 * The acts of a training run that is under way, each a unit of work: state, event and rows change together, and only one
 * of two wins. All but a cancellation name the attempt they are of, and are refused when there is a later one.
 */
import type { Kysely, Updateable } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Actor } from '../roles.js';
import type { RunState, Schema, TrainingRunsTable } from './schema.js';
import { addEvents, audited, type Event, tellEnd } from './training-run-events.js';
import type { RunProgress } from './training-run-rows.js';

/** A run in one of its attempts, whose number is the fencing token: it rises with every claim. */
export interface Fence {
  readonly id: string;
  readonly attempt: number;
}

/** Whether the attempt is still the run's present one: if not, somebody has ended or claimed it. */
export async function holds(db: Kysely<Schema>, { id, attempt }: Fence): Promise<boolean> {
  const row = await db
    .selectFrom('training_runs')
    .select('id')
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return row !== undefined;
}

/** Throws Problem 'stale-precondition' when the run is not this attempt's any more. */
export async function refuseLate(db: Kysely<Schema>, fence: Fence | undefined): Promise<void> {
  if (fence === undefined || (await holds(db, fence))) return;
  throw new Problem('stale-precondition', `training run ${fence.id} is not attempt ${fence.attempt}'s any more`);
}

const UNLEASED = { lease_owner: null, lease_until: null } as const;

/** Changes the row, adds the events, and tells of an end. */
export async function change(
  db: Kysely<Schema>,
  id: string,
  values: Updateable<TrainingRunsTable>,
  at: string,
  events: readonly Event[],
): Promise<void> {
  const left = values.state !== undefined && values.state !== 'running';
  const whole = left ? { ...values, ...UNLEASED } : values;
  await db.updateTable('training_runs').set(whole).where('id', '=', id).execute();
  await addEvents(db, id, at, events);
  if (values.ended_at !== undefined) await tellEnd(db, id, at);
}

/** A state after an epoch, whose file is on the disk. */
export interface RunCheckpoint {
  readonly epoch: number;
  readonly sha256: string;
}

export interface NoteRunInput extends Fence {
  readonly at: string;
  readonly events: readonly Event[];
  readonly progress?: RunProgress;
  readonly checkpoints?: readonly RunCheckpoint[];
  readonly adapter_id?: string;
  readonly comparison_id?: string;
}

/** Keeps what a running run has to tell; false: the attempt is not the present one any more. */
export async function noteTrainingRun(db: Kysely<Schema>, input: NoteRunInput): Promise<boolean> {
  if (!(await holds(db, input))) return false;
  const { at, events, progress, checkpoints = [], adapter_id, comparison_id } = input;
  const advanced = await keepCheckpoints(db, input, checkpoints);
  const values = {
    ...(progress && { progress: JSON.stringify(progress) }),
    ...(advanced && { crashes: 0 }),
    ...(adapter_id !== undefined && { adapter_id }),
    ...(comparison_id !== undefined && { comparison_id }),
  };
  if (Object.keys(values).length === 0) await addEvents(db, input.id, at, events);
  else await change(db, input.id, values, at, events);
  failpoint('run.note.written');
  return true;
}

/** Whether the run has come further than ever before: what it died of since its last epoch is forgiven then. */
async function keepCheckpoints(
  db: Kysely<Schema>,
  { id, attempt, at }: NoteRunInput,
  checkpoints: readonly RunCheckpoint[],
): Promise<boolean> {
  if (checkpoints.length === 0) return false;
  const { furthest } = await db
    .selectFrom('training_run_checkpoints')
    .select((eb) => eb.fn.max<number | null>('epoch').as('furthest'))
    .where('run_id', '=', id)
    .executeTakeFirstOrThrow();
  const rows = checkpoints.map(({ epoch, sha256 }) => ({ run_id: id, epoch, attempt, sha256, at }));
  await db.replaceInto('training_run_checkpoints').values(rows).execute();
  return checkpoints.some(({ epoch }) => epoch > (furthest ?? 0));
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
  const { id, attempt, state, error, at } = input;
  const event = { type: 'state', state, ...(error !== null && { error }) };
  await change(db, id, { state, error, ended_at: at }, at, [event]);
  await audited(db, 'run.end', input, { state, attempt });
  failpoint('run.end.written');
  return true;
}

/** The service closes: the run goes back into the queue, and on from its last state when a service is there again. */
export async function parkTrainingRun(db: Kysely<Schema>, input: Fence & { readonly at: string }): Promise<boolean> {
  if (!(await holds(db, input))) return false;
  await change(db, input.id, { state: 'queued' }, input.at, [{ type: 'state', state: 'queued' }]);
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
  const run = await db.selectFrom('training_runs').select('state').where('id', '=', id).executeTakeFirst();
  if (run === undefined) throw new Problem('not-found', 'there is no training run of this id');
  if (run.state === 'succeeded' || run.state === 'failed')
    throw new Problem('conflict', `the training run has ended: it ${run.state}`);
  if (run.state === 'cancelled') return run.state;
  await change(db, id, { state: 'cancelled', ended_at: at }, at, [{ type: 'state', state: 'cancelled' }]);
  await audited(db, 'run.cancel', input, {});
  failpoint('run.cancel.written');
  return 'cancelled';
}
