/** Text search that knows letters beyond ASCII, which SQLite's LIKE does not. */

/** Upper and lower case, composed and decomposed letters become one. Upper case, for it tells neither ß from ss nor ς from σ. */
export function fold(text: string): string {
  return text.normalize('NFC').toUpperCase();
}

/** The SQL function `folded_includes(text, folded)`: 1 when `text`, folded, holds `folded`. */
export function foldedIncludes(text: unknown, folded: unknown): 0 | 1 {
  return fold(String(text)).includes(String(folded)) ? 1 : 0;
}
