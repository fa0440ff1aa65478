/** Entity tags of the alias `active` (RFC 9110, 8.8.3 and 13.1.1). */

const BASE = 'base';

/** The quoted digest; `"base"` for the base model alone. */
export const entityTag = (digest: string | null): string => `"${digest ?? BASE}"`;

/** Whether If-Match lets the request pass: `*`, or a list with that tag. Weak tags never match. */
export function ifMatches(header: string, digest: string | null): boolean {
  const tags = new Set(header.split(',').map((tag) => tag.trim()));
  return tags.has('*') || tags.has(entityTag(digest));
}
