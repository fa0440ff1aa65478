/** Which corrections count, and why the others do not. Pure. */
import { groupKey, normaliseText } from '../db/pair-key.js';
import type { LeftOut, ScannedCorrection, TrainingRow } from '../db/training-data.js';
import { usabilityOfPair, type WhyNot } from '../db/usability.js';
import { grouped, type Pause } from '../evaluation/turns.js';

/** A row that has no side yet. */
export type Candidate = Omit<TrainingRow, 'side'>;

const empty = ({ premise, nli_hypothesis }: ScannedCorrection): boolean =>
  normaliseText(premise) === '' || normaliseText(nli_hypothesis) === '';

function candidate(row: ScannedCorrection): Candidate {
  const { id, page_id, premise, nli_hypothesis, original_label, correct_label, original_confidence, review_source } =
    row;
  const kind = original_label === correct_label ? 'confirmation' : 'correction';
  const group_key = groupKey(page_id, premise);
  return {
    correction_id: id,
    page_id,
    group_key,
    premise,
    nli_hypothesis,
    original_label,
    correct_label,
    original_confidence,
    kind,
    review_source,
  };
}

async function reasonsOf(
  rows: readonly ScannedCorrection[],
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
  rows: readonly ScannedCorrection[],
  minConfidence: number,
  exclude: ReadonlySet<string>,
  pause: Pause,
): Promise<Sifted> {
  const reasons = await reasonsOf(rows, minConfidence, pause);
  const sifted: Sifted = { candidates: [], left_out: [] };
  for (const row of rows) {
    await pause();
    const why = reasons.get(row.id) ?? null;
    const reason = exclude.has(row.id) ? 'excluded' : empty(row) ? 'empty' : why === 'confirmation' ? null : why;
    if (reason === null) sifted.candidates.push(candidate(row));
    else sifted.left_out.push({ correction_id: row.id, reason });
  }
  return sifted;
}
