/** The rows on which the two adapters differ in being right: what a person reads to trust a number. */
import type { Label } from '../labels.js';
import { isCorrect, type JudgedRow, outcomeOf } from './judged.js';

export interface Flip {
  readonly correction_id: string;
  readonly page_id: string | null;
  readonly kind: JudgedRow['kind'];
  /** At most 2,000 characters of it. */
  readonly premise: string;
  readonly nli_hypothesis: string;
  readonly correct_label: Label;
  readonly old: FlipAnswer;
  readonly new: FlipAnswer;
}

export interface FlipAnswer {
  readonly label: Label;
  readonly confidence: number;
}

/** Kept of each kind; the report says how many there are in all. */
export const MOST_FLIPS = 200;
const MOST_CHARACTERS = 2000;

export const isFixed = (row: JudgedRow): boolean =>
  !isCorrect(outcomeOf(row, 'old')) && isCorrect(outcomeOf(row, 'new'));
export const isBroken = (row: JudgedRow): boolean =>
  isCorrect(outcomeOf(row, 'old')) && !isCorrect(outcomeOf(row, 'new'));

/** The first characters; never half of a surrogate pair. */
function cut(text: string): string {
  if (text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

const answer = ({ label, confidence }: JudgedRow['new']): FlipAnswer => ({ label, confidence });

const flip = (row: JudgedRow): Flip => ({
  correction_id: row.correction_id,
  page_id: row.page_id,
  kind: row.kind,
  premise: cut(row.premise),
  nli_hypothesis: cut(row.nli_hypothesis),
  correct_label: row.correct_label,
  old: answer(row.old),
  new: answer(row.new),
});

/** Those that the new adapter is surest of first. */
const surestFirst = (a: JudgedRow, b: JudgedRow): number =>
  b.new.confidence - a.new.confidence || (a.correction_id < b.correction_id ? -1 : 1);

export const flipsOf = (rows: readonly JudgedRow[]): { fixed: Flip[]; broken: Flip[] } => ({
  fixed: rows.filter(isFixed).toSorted(surestFirst).slice(0, MOST_FLIPS).map(flip),
  broken: rows.filter(isBroken).toSorted(surestFirst).slice(0, MOST_FLIPS).map(flip),
});
