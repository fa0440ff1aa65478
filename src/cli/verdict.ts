/** A shadow comparison in words. */
import type { ShadowComparison } from '../../client/client.js';

const WORDS = {
  recommend: 'recommended',
  do_not_recommend: 'not recommended',
  not_enough_data: 'not enough data to tell',
} as const;

/** The verdict and, of each rule that does not hold, what it found. */
export function verdictLines({ id, verdict, old_accuracy, new_accuracy, report }: ShadowComparison): string[] {
  if (verdict === null) return [`comparison ${id} has no verdict`];
  const open = (report?.rules ?? []).filter((rule) => rule.verdict !== 'pass');
  return [
    `comparison ${id}: ${WORDS[verdict]}; accuracy on held-out reviews ${percent(old_accuracy)} → ${percent(new_accuracy)}`,
    ...open.map((rule) => `  ${rule.verdict}: ${rule.statement} (${number(rule.value)}, limit ${number(rule.limit)})`),
  ];
}

export const percent = (share: number | null): string => (share === null ? '–' : `${(100 * share).toFixed(1)} %`);

const number = (value: number | null): string => (value === null ? 'none' : String(Number(value.toPrecision(3))));
