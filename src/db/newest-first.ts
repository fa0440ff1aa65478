/** Pages of a list that is told newest first, by the number that its rows are given as they come. */
import { decodeCursor, encodeCursor } from './cursor.js';

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}

/** The rows to read: those with a `seq` below `before`, the largest first. */
export interface Stretch {
  readonly before: number;
  readonly limit: number;
}

const FIRST = Number.MAX_SAFE_INTEGER;

/** One row more than asked for tells whether there is a next page. Throws Problem 'invalid-request' for a cursor of another list. */
export async function newestFirst<Row extends { readonly seq: number }, T>(
  { limit, cursor }: PageRequest,
  read: (stretch: Stretch) => Promise<readonly Row[]>,
  item: (row: Row) => T,
): Promise<Page<T>> {
  const before = cursor === undefined ? FIRST : decodeCursor(cursor, ['number'] as const)[0];
  const rows = await read({ before, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(item), next_cursor: last ? encodeCursor([last.seq]) : null };
}
