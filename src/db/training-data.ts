/** The rows a training run or a comparison is made of, and the sides that were decided for their groups. */
import { type Kysely, sql } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Label } from '../labels.js';
import type { PublicCorrection } from './correction-rows.js';
import type { Schema, Side } from './schema.js';
import { newestRun } from './training-run-rows.js';
import type { WhyNot } from './usability.js';

/** A correction or confirmation that is trained on, or compared on. Without its texts: there may be a million. */
export interface TrainingRow {
  readonly correction_id: string;
  readonly page_id: string | null;
  readonly group_key: string;
  readonly side: Side;
  readonly original_label: Label;
  readonly correct_label: Label;
  readonly original_confidence: number;
  readonly kind: 'correction' | 'confirmation';
  readonly review_source: PublicCorrection['review_source'];
}

export type LeftOutReason =
  Exclude<WhyNot, 'confirmation'> | 'withdrawn' | 'empty' | 'near_duplicate_across_sides' | 'excluded';

export interface LeftOut {
  readonly correction_id: string;
  readonly reason: LeftOutReason;
}

const COLUMNS = [
  'id',
  'page_id',
  'premise',
  'nli_hypothesis',
  'original_label',
  'original_confidence',
  'correct_label',
  'reviewer',
  'review_source',
  'pair_sha256',
  'created_at',
] as const;

const ROWS_PER_READ = 500;

/** Every current row, oldest first. */
export function scanCorrections(db: Kysely<Schema>) {
  return db.selectFrom('nli_corrections').select(COLUMNS).orderBy('created_at').orderBy('id').stream(ROWS_PER_READ);
}

/** The texts of every current row, oldest first. */
export function scanTexts(db: Kysely<Schema>) {
  const columns = ['id', 'premise', 'nli_hypothesis'] as const;
  return db.selectFrom('nli_corrections').select(columns).orderBy('created_at').orderBy('id').stream(ROWS_PER_READ);
}

export type ScannedCorrection = ReturnType<typeof scanCorrections> extends AsyncIterableIterator<infer R> ? R : never;

export async function withdrawnIds(db: Kysely<Schema>): Promise<string[]> {
  const ids: string[] = [];
  const rows = db.selectFrom('nli_correction_history').select('id').where('ended_by', '=', 'withdrawn');
  for await (const { id } of rows.stream(ROWS_PER_READ)) ids.push(id);
  return ids;
}

/** Group → side, of all groups that ever had one. */
export async function readSides(db: Kysely<Schema>): Promise<Map<string, Side>> {
  const sides = new Map<string, Side>();
  const rows = db.selectFrom('page_sides').select(['group_key', 'side']);
  for await (const { group_key, side } of rows.stream(ROWS_PER_READ)) sides.set(group_key, side);
  return sides;
}

/** As idsOfNewestRun, a little at a time: there may be a hundred thousand. */
export async function trainedIds(db: Kysely<Schema>, base_digest: string): Promise<Set<string>> {
  const ids = new Set<string>();
  const newest = await newestRun(db, base_digest);
  if (newest === undefined) return ids;
  const known = db.selectFrom('training_run_corrections').select('correction_id').where('run_id', '=', newest);
  for await (const { correction_id } of known.stream(ROWS_PER_READ)) ids.add(correction_id);
  const excluded = db
    .selectFrom('training_runs')
    .innerJoin(sql`json_each(manifest, '$.left_out')`.as('one'), (join) => join.onTrue())
    .select(sql<string>`one.value ->> 'correction_id'`.as('correction_id'))
    .where('training_runs.id', '=', newest)
    .where(sql<boolean>`one.value ->> 'reason' = 'excluded'`);
  for await (const { correction_id } of excluded.stream(ROWS_PER_READ)) ids.add(correction_id);
  return ids;
}

export interface SidesInput {
  readonly sides: readonly (readonly [group_key: string, side: Side])[];
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
}

const ROWS_PER_STATEMENT = 5000;

/**
 * The unit of work that fixes sides: a group that has one keeps it. Resolves with the groups whose stored side is another
 * than asked for, because somebody else was first.
 */
export async function storeSides(db: Kysely<Schema>, { sides, at }: SidesInput): Promise<[string, Side][]> {
  const others: [string, Side][] = [];
  for (let from = 0; from < sides.length; from += ROWS_PER_STATEMENT) {
    const part = sides.slice(from, from + ROWS_PER_STATEMENT);
    const values = part.map(([group_key, side]) => ({ group_key, side, decided_at: at }));
    await db
      .insertInto('page_sides')
      .values(values)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    failpoint('sides.written');
    const keys = values.map(({ group_key }) => group_key);
    const stored = await db
      .selectFrom('page_sides')
      .select(['group_key', 'side'])
      .where('group_key', 'in', keys)
      .execute();
    const asked = new Map(part);
    for (const { group_key, side } of stored) if (asked.get(group_key) !== side) others.push([group_key, side]);
  }
  return others;
}
