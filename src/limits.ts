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

/** How long a request may take before it is answered 503, where a client says nothing else, and the most it may say. */
export const DEADLINE_MS = { usual: 120_000, most: 600_000 } as const;

/** What a pair is called that came without a name. */
export const UNNAMED_PAIR = 'unknown';
