/** Whether what is judged was trained on: a page, a text or nearly the same text on both sides. */
import type { Pause } from './bootstrap.js';
import { nearAny } from './near-duplicates.js';

interface Texts {
  readonly group_key: string;
  readonly premise: string;
  readonly nli_hypothesis: string;
}

/** Held-out rows found on the training side too, by the first thing that tells. */
export interface LeakCheck {
  /** Rows on the training side that were looked at. */
  readonly training_rows: number;
  readonly same_page: number;
  readonly same_text: number;
  readonly near_text: number;
}

type Leak = 'same_page' | 'same_text' | 'near_text';

const textOf = ({ premise, nli_hypothesis }: Texts): string => `${premise}\n${nli_hypothesis}`;

function* textsOf(rows: readonly Texts[]): Generator<string> {
  for (const row of rows) yield textOf(row);
}

/** What a copy changes without changing the meaning is taken away. */
const plain = (row: Texts): string => textOf(row).normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();

/** The held-out rows without those that leak, and what was found. Near: word 3-gram Jaccard of at least 0.9. */
export async function withoutLeaks<R extends Texts>(
  held: readonly R[],
  trained: readonly Texts[],
  pause: Pause = () => undefined,
): Promise<{ readonly rows: R[]; readonly check: LeakCheck }> {
  const pages = new Set(trained.map(({ group_key }) => group_key));
  const texts = new Set<string>();
  for (const row of trained) {
    texts.add(plain(row));
    await pause();
  }
  const near = await nearAny(held.map(textOf), textsOf(trained), pause);
  const leaks: (Leak | null)[] = [];
  for (const [at, row] of held.entries()) {
    await pause();
    if (pages.has(row.group_key)) leaks.push('same_page');
    else if (texts.has(plain(row))) leaks.push('same_text');
    else leaks.push(near[at] ? 'near_text' : null);
  }
  const count = (leak: Leak): number => leaks.filter((one) => one === leak).length;
  const found = { same_page: count('same_page'), same_text: count('same_text'), near_text: count('near_text') };
  return { rows: held.filter((_, at) => leaks[at] === null), check: { training_rows: trained.length, ...found } };
}
