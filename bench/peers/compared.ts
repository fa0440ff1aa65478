/** Times of contenders set against one another. */
import { type Summary, summary, timesFaster } from './interleave.js';
import type { Times } from './sections.js';

export interface Compared {
  /** Milliseconds by contender. */
  readonly ms: Readonly<Record<string, Summary>>;
  /** How many times as fast each Errata is as each peer, of the ratios of single rounds. */
  readonly times_faster: Readonly<Record<string, Readonly<Record<string, Summary>>>>;
}

export const isErrata = (name: string): boolean => name.startsWith('Errata');

export function compared(times: Times): Compared {
  const [ours, theirs] = [true, false].map((side) => Object.entries(times).filter(([name]) => isErrata(name) === side));
  const faster = (mine: readonly number[]) => mapped(Object.fromEntries(theirs!), (ms) => timesFaster(mine, ms));
  return { ms: mapped(times, (ms) => summary(ms)), times_faster: mapped(Object.fromEntries(ours!), faster) };
}

export const comparedAll = (times: Readonly<Record<string, Times>>): Record<string, Compared> =>
  mapped(times, compared);

const mapped = <T, U>(record: Readonly<Record<string, T>>, of: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, of(value)]));
