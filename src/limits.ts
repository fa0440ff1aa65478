/** What one request may ask for; GET /model tells the same numbers. */
export const LIMITS = {
  /** Bytes of a request body. */
  body_bytes: 2 * 1024 * 1024,
  pairs_per_request: 256,
  /** Unicode characters of a premise or hypothesis; a longer one is that pair's own error. */
  characters_per_text: 20_000,
  items_per_list: 200,
} as const;

/** Items of a page that does not say how many. */
export const DEFAULT_ITEMS = 50;
