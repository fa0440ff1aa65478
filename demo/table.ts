/** Before and after, on pairs that nothing was trained on. */
import { isRight, isSure } from './reviewer.js';
import type { Judged } from './upstream.js';

export interface Row {
  readonly what: string;
  readonly pairs: number;
  /** Pairs that are so before and after. */
  readonly before: number;
  readonly after: number;
}

export interface Answers {
  readonly heldOut: readonly Judged[];
  readonly everyday: readonly Judged[];
}

/** Both lists of answers are to the same pairs, in the same order. */
export function rowsOf(before: Answers, after: Answers): Row[] {
  const pages = (what: string, keep: (one: Judged) => boolean, is: (one: Judged) => boolean): Row => {
    const kept = before.heldOut.map((_, i) => i).filter((i) => keep(before.heldOut[i]!));
    return {
      what,
      pairs: kept.length,
      before: countOf(before.heldOut, kept, is),
      after: countOf(after.heldOut, kept, is),
    };
  };
  const wrongAndSure = (one: Judged): boolean => !isRight(one) && isSure(one);
  return [
    pages('held-out pages: right', () => true, isRight),
    pages('  of what was wrong and sure (> 0.8): right', wrongAndSure, isRight),
    pages('  of what was right: right', isRight, isRight),
    pages('  wrong and sure', () => true, wrongAndSure),
    {
      what: 'everyday sentences: right',
      pairs: before.everyday.length,
      before: before.everyday.filter(isRight).length,
      after: after.everyday.filter(isRight).length,
    },
  ];
}

const countOf = (judged: readonly Judged[], places: readonly number[], is: (one: Judged) => boolean): number =>
  places.filter((i) => is(judged[i]!)).length;

/** The share of the commonest label: what an answer that never looks would get. */
export function commonest(judged: readonly Judged[]): number {
  const counts = new Map<string, number>();
  for (const { pair } of judged) counts.set(pair.label, (counts.get(pair.label) ?? 0) + 1);
  return Math.max(...counts.values()) / judged.length;
}

export function tableOf(rows: readonly Row[]): string {
  const cells = [
    ['', 'pairs', 'before', 'after'],
    ...rows.map(({ what, pairs, before, after }) => [what, String(pairs), share(before, pairs), share(after, pairs)]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('   ');
  return cells.map(line).join('\n');
}

export const share = (count: number, all: number): string =>
  all === 0 ? '–' : `${((100 * count) / all).toFixed(1)} %`;
