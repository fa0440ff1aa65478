/** Judged rows written by hand. */
import type { Answer, JudgedRow, Outcome } from '../../src/evaluation/judged.js';
import { LABELS, type Label } from '../../src/labels.js';

type Shares = readonly [supports: number, refutes: number, neutral: number];

export function answer([supports, refutes, neutral]: Shares): Answer {
  const shares = [supports, refutes, neutral];
  const confidence = Math.max(...shares);
  const label = LABELS[shares.indexOf(confidence)] as Label;
  return { label, confidence, scores: { supports, refutes, neutral } };
}

export const outcome = (truth: Label, ...shares: Shares): Outcome => ({ truth, answer: answer(shares) });

const SURE: Readonly<Record<Label, Shares>> = {
  supports: [0.9, 0.05, 0.05],
  refutes: [0.05, 0.9, 0.05],
  neutral: [0.05, 0.05, 0.9],
};

export type Fate = 'kept' | 'fixed' | 'broken' | 'wrong';

/** A row that truly `supports`; `fate` is what becomes of it under the new adapter. */
export function review(number: number, fate: Fate, overrides: Partial<JudgedRow> = {}): JudgedRow {
  const was = fate === 'kept' || fate === 'broken';
  const is = fate === 'kept' || fate === 'fixed';
  return {
    correction_id: `c-${String(number).padStart(5, '0')}`,
    page_id: `p-${number}`,
    group_key: `page:p-${number}`,
    kind: 'correction',
    premise: `Premise ${number}.`,
    nli_hypothesis: `Hypothesis ${number}.`,
    original_label: was ? 'supports' : 'refutes',
    correct_label: 'supports',
    review_source: 'volunteered',
    old: answer(was ? SURE.supports : SURE.refutes),
    new: answer(is ? SURE.supports : SURE.neutral),
    ...overrides,
  };
}

/** So many rows of each fate, each of its own page. */
export function reviews(
  counts: Partial<Record<Fate, number>>,
  { from = 0, ...overrides }: Partial<JudgedRow> & { from?: number } = {},
): JudgedRow[] {
  const fates = Object.entries(counts).flatMap(([fate, n]) => Array.from({ length: n }, () => fate as Fate));
  return fates.map((fate, at) => review(from + at, fate, overrides));
}
