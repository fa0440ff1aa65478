/** Which corrections count, and why the others do not. Pure. */
import { groupKey, normaliseText } from '../db/pair-key.js';
import type { LeftOut, ScannedCorrection, TrainingRow } from '../db/training-data.js';
import { usabilityOfPair, type WhyNot } from '../db/usability.js';
import { grouped, type Pause } from '../evaluation/turns.js';

/** A row that has no side yet. */
export type Candidate = Omit<TrainingRow, 'side'>;

/** A correction as it is kept while data are planned: what its texts decide, without them. */
export interface ReadRow extends Omit<ScannedCorrection, 'premise' | 'nli_hypothesis'> {
  readonly group_key: string;
  readonly empty: boolean;
}

export function readRow({ premise, nli_hypothesis, ...row }: ScannedCorrection): ReadRow {
  const empty = normaliseText(premise) === '' || normaliseText(nli_hypothesis) === '';
  return { ...row, group_key: groupKey(row.page_id, premise), empty };
}

function candidate(row: ReadRow): Candidate {
  const { id, page_id, group_key, original_label, correct_label, original_confidence, review_source } = row;
  const kind = original_label === correct_label ? 'confirmation' : 'correction';
  return {
    correction_id: id,
    page_id,
    group_key,
    original_label,
    correct_label,
    original_confidence,
    kind,
    review_source,
  };
}

async function reasonsOf(
  rows: readonly ReadRow[],
  minConfidence: number,
  pause: Pause,
): Promise<Map<string, WhyNot | null>> {
  const reasons = new Map<string, WhyNot | null>();
  for (const pair of (await grouped(rows, ({ pair_sha256 }) => pair_sha256, pause)).values()) {
    await pause();
    for (const [id, reason] of usabilityOfPair(pair, minConfidence)) reasons.set(id, reason);
  }
  return reasons;
}

export interface Sifted {
  readonly candidates: Candidate[];
  readonly left_out: LeftOut[];
}

/** Each correction once: a candidate, or left out for its reason. */
export async function sift(
  rows: readonly ReadRow[],
  minConfidence: number,
  exclude: ReadonlySet<string>,
  pause: Pause,
): Promise<Sifted> {
  const reasons = await reasonsOf(rows, minConfidence, pause);
  const sifted: Sifted = { candidates: [], left_out: [] };
  for (const row of rows) {
    await pause();
    const why = reasons.get(row.id) ?? null;
    const reason = exclude.has(row.id) ? 'excluded' : row.empty ? 'empty' : why === 'confirmation' ? null : why;
    if (reason === null) sifted.candidates.push(candidate(row));
    else sifted.left_out.push({ correction_id: row.id, reason });
  }
  return sifted;
}
