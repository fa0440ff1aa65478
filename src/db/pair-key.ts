/** When two pairs are the same to a trainer, whatever their bytes. */
import { createHash } from 'node:crypto';

/**
 * NFKC, lower case, each run of white space one space, none at the ends: what a copy changes without changing the meaning.
 * Punctuation and accents stay, for they can change it.
 */
export function normaliseText(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** SHA-256 (hex) of the normalised pair; a line feed, which no normalised text holds, is between the two. */
export function pairKey(premise: string, nli_hypothesis: string): string {
  return sha256(`${normaliseText(premise)}\n${normaliseText(nli_hypothesis)}`);
}

/**
 * Rows of one group stay on one side of the split: the rows of a page, or, where the page is unknown, of one premise.
 * The prefixes keep a page that is named like a digest apart from a premise.
 */
export function groupKey(page_id: string | null, premise: string): string {
  return page_id === null ? `premise:${sha256(normaliseText(premise))}` : `page:${page_id}`;
}
