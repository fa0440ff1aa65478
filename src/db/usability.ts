/** Which corrections can be trained on, and why the others cannot. Pure: rows of one pair in, a reason for each out. */
import type { NliCorrectionsTable } from './schema.js';

/** The owner's filter: `original_confidence > 0.8`. */
export const MIN_CONFIDENCE = 0.8;

export type WhyNot = 'conflict' | 'duplicate' | 'confirmation' | 'low_confidence';

export type UsabilityRow = Pick<
  NliCorrectionsTable,
  'id' | 'reviewer' | 'original_label' | 'original_confidence' | 'correct_label' | 'pair_sha256' | 'created_at'
>;

export const USABILITY_COLUMNS = [
  'id',
  'reviewer',
  'original_label',
  'original_confidence',
  'correct_label',
  'pair_sha256',
  'created_at',
] as const satisfies readonly (keyof UsabilityRow)[];

const earliestFirst = (a: UsabilityRow, b: UsabilityRow): number =>
  a.created_at === b.created_at ? (a.id < b.id ? -1 : 1) : a.created_at < b.created_at ? -1 : 1;

/** The latest answer of each reviewer, earliest first. */
function latestOfReviewers(rows: readonly UsabilityRow[]): UsabilityRow[] {
  const latest = new Map<string, UsabilityRow>();
  for (const row of rows) latest.set(row.reviewer, row);
  return [...latest.values()].sort(earliestFirst);
}

/** A confirmation can be replayed and compared on, whatever its confidence; a correction needs a confident error. */
function ownReason(row: UsabilityRow, minConfidence: number): WhyNot | null {
  if (row.original_label === row.correct_label) return 'confirmation';
  return row.original_confidence > minConfidence ? null : 'low_confidence';
}

/**
 * What keeps each of the current rows of one pair (equal `pair_sha256`) from being a usable correction; null: nothing does.
 * Of one reviewer the latest answer counts. Reviewers who disagree are in conflict. Where they agree one row counts: the
 * first that passes the filter, so that a later agreement changes nothing.
 */
export function usabilityOfPair(rows: readonly UsabilityRow[], minConfidence: number): Map<string, WhyNot | null> {
  const latest = latestOfReviewers(rows.toSorted(earliestFirst));
  const reasons = new Map<string, WhyNot | null>(rows.map(({ id }) => [id, 'duplicate']));
  const agreed = new Set(latest.map(({ correct_label }) => correct_label)).size < 2;
  if (!agreed) for (const { id } of latest) reasons.set(id, 'conflict');
  const counted = latest.find((row) => ownReason(row, minConfidence) === null) ?? latest[0];
  if (agreed && counted !== undefined) reasons.set(counted.id, ownReason(counted, minConfidence));
  return reasons;
}

/** Rows by their pair. */
function byPair<R extends UsabilityRow>(rows: readonly R[]): Map<string, R[]> {
  const pairs = new Map<string, R[]>();
  for (const row of rows) {
    const pair = pairs.get(row.pair_sha256);
    if (pair === undefined) pairs.set(row.pair_sha256, [row]);
    else pair.push(row);
  }
  return pairs;
}

/** The reasons of rows of many pairs; all rows of a pair must be among them. */
export function usability(rows: readonly UsabilityRow[], minConfidence: number): Map<string, WhyNot | null> {
  return new Map([...byPair(rows).values()].flatMap((pair) => [...usabilityOfPair(pair, minConfidence)]));
}
