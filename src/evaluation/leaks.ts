/** Whether what is judged was trained on: a page, a text or nearly the same text on both sides. */
import type { Pause } from './bootstrap.js';
import { nearAny } from './near-duplicates.js';
import { mapped } from './turns.js';

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

/** What a copy changes without changing the meaning is taken away. */
const plain = (row: Texts): string => textOf(row).normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();

/** What was seen of the training side while it went by. */
class Seen {
  rows = 0;
  readonly pages = new Set<string>();
  /** Those of the held-out texts that are there too. */
  readonly texts = new Set<string>();
  readonly #held: ReadonlySet<string>;

  constructor(held: ReadonlySet<string>) {
    this.#held = held;
  }

  async *textsOf(trained: Trained): AsyncGenerator<string> {
    for await (const row of trained) {
      this.rows += 1;
      this.pages.add(row.group_key);
      const text = plain(row);
      if (this.#held.has(text)) this.texts.add(text);
      yield textOf(row);
    }
  }
}

type Trained = Iterable<Texts> | AsyncIterable<Texts>;

/** The held-out rows without those that leak, and what was found. Near: word 3-gram Jaccard of at least 0.9. */
export async function withoutLeaks<R extends Texts>(
  held: readonly R[],
  trained: Trained,
  pause: Pause = () => undefined,
): Promise<{ readonly rows: R[]; readonly check: LeakCheck }> {
  const plains = await mapped(held, plain, pause);
  const seen = new Seen(new Set(plains));
  const near = await nearAny(held.map(textOf), seen.textsOf(trained), pause);
  const leaks: (Leak | null)[] = [];
  for (const [at, row] of held.entries()) {
    await pause();
    if (seen.pages.has(row.group_key)) leaks.push('same_page');
    else if (seen.texts.has(plains[at]!)) leaks.push('same_text');
    else leaks.push(near[at] ? 'near_text' : null);
  }
  const count = (leak: Leak): number => leaks.filter((one) => one === leak).length;
  const found = { same_page: count('same_page'), same_text: count('same_text'), near_text: count('near_text') };
  return { rows: held.filter((_, at) => leaks[at] === null), check: { training_rows: seen.rows, ...found } };
}
