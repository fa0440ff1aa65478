/** Opaque cursors: where a list's next page begins, as base64url of a JSON array. */
import { Problem } from '../errors.js';

export type CursorKey = string | number;

const malformed = () =>
  new Problem('invalid-request', 'the cursor is none of this list', {
    errors: [{ pointer: 'cursor', detail: 'must be the next_cursor of an earlier page of the same list' }],
  });

export function encodeCursor(keys: readonly CursorKey[]): string {
  return Buffer.from(JSON.stringify(keys)).toString('base64url');
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw malformed();
  }
}

/** The keys, whose types must be those of `shape`. Throws Problem 'invalid-request' with pointer `cursor`. */
export function decodeCursor<K extends readonly ('string' | 'number')[]>(
  cursor: string,
  shape: K,
): { [I in keyof K]: K[I] extends 'string' ? string : number } {
  const keys = parse(cursor);
  const fits = Array.isArray(keys) && keys.length === shape.length && shape.every((type, i) => typeof keys[i] === type);
  if (!fits || encodeCursor(keys as CursorKey[]) !== cursor) throw malformed();
  return keys as unknown as { [I in keyof K]: K[I] extends 'string' ? string : number };
}
