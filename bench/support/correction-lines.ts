/** Corrections as clients import them: many, and the same ones every time. */
import { LABELS, type Label } from '../../src/labels.js';

export interface ReviewLine {
  readonly premise: string;
  readonly nli_hypothesis: string;
  readonly original_label: Label;
  readonly original_confidence: number;
  readonly correct_label: Label;
  readonly page_id: string;
  readonly external_id: string;
}

const WORDS = Array.from({ length: 3000 }, (_, at) => `w${(at * 7919).toString(36)}`);

/** A known generator (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Premises of 20 to 200 words, about five rows of a page, one row in ten nearly another's text. */
export function* reviewLines(rows: number): Generator<ReviewLine> {
  const random = seeded(1);
  const text = (words: number) =>
    Array.from({ length: words }, () => WORDS[Math.floor(random() ** 2 * 3000)]).join(' ');
  let last = '';
  for (let row = 0; row < rows; row++) {
    const premise: string = last !== '' && random() < 0.1 ? `${last} again` : text(20 + Math.floor(random() * 180));
    last = premise;
    const original_label = LABELS[row % 3] as Label;
    const correct_label = LABELS[Math.floor(random() * 3)] as Label;
    const original_confidence = 0.7 + 0.3 * random();
    const page_id = `page-${Math.floor(random() * (rows / 5))}`;
    const nli_hypothesis = `${row} ${text(12)}`;
    const said = { original_label, original_confidence, correct_label, page_id };
    yield { premise, nli_hypothesis, ...said, external_id: `bench:${row}` };
  }
}

/** Lines of an import. */
export function* correctionLines(rows: number): Generator<string> {
  for (const line of reviewLines(rows)) yield `${JSON.stringify(line)}\n`;
}
