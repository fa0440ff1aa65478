/** How a training run comes into the queue: a unit of work. */
import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Actor } from '../roles.js';
import { enqueueEvent } from './outbox.js';
import type { Schema, Side } from './schema.js';
import { addEvents, audited } from './training-run-events.js';
import { idsOfNewestRun, type LeftOutRow, type RunCounts } from './training-run-rows.js';

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

/** The run that is in the queue now; or about how many corrections the trigger lacks, at least one. */
export type StartedRun = { readonly id: string } | { readonly id: null; readonly lacking: number };

/** What is to be stored before it is worth asking again; 0: a run may start. */
function lackingOf({ when_new, min_corrections, rows }: StartRunInput, fresh: number, used: number): number {
  const usable = rows.filter(({ kind }) => kind === 'correction').length;
  return Math.max((when_new ?? 0) - fresh, min_corrections - usable, used === 0 ? 1 : 0);
}

/**
 * Puts a run into the queue. The trigger is told what it lacks when too few corrections are new or usable: two that ask at
 * once start one run. For a request it throws Problem 'conflict' when too few corrections are usable.
 */
export async function startTrainingRun(db: Kysely<Schema>, input: StartRunInput): Promise<StartedRun> {
  const fresh = input.when_new === null ? null : await countNew(db, input);
  const used = usedRows(input);
  const lacking = fresh === null ? 0 : lackingOf(input, fresh, used.size);
  if (lacking > 0) return { id: null, lacking };
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
  return { id: input.id };
}

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
