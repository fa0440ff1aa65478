/** JSON from strangers: valid UTF-8, no duplicate key, no deep nesting, objects as Maps so that no name means anything to JavaScript. */

type Fail = (reason: string) => Error;

/** The value of `bytes`; throws `fail(reason)` where it is not JSON or names a key twice in one object. */
export function parseStrictJson(bytes: Uint8Array, fail: Fail): unknown {
  const text = decode(bytes, fail);
  const value = parse(text, fail);
  checkStructure(text, fail);
  return mapped(value);
}

function decode(bytes: Uint8Array, fail: Fail): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw fail('it is not UTF-8');
  }
}

function parse(text: string, fail: Fail): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw fail('it does not parse');
  }
}

function mapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mapped);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([key, member]) => [key, mapped(member)]));
}

/** What is read here nests four levels at most; every level more costs stack. */
const DEEPEST = 64;
const STRING_OR_BRACKET = /"(?:[^"\\]|\\.)*"|[{}[\]]/g;
const COLON = /\s*:/y;

/** `text` is known to parse, so a string followed by a colon is a key of the innermost open object. */
function checkStructure(text: string, fail: Fail): void {
  const open: Set<string>[] = [];
  for (const { 0: token, index } of text.matchAll(STRING_OR_BRACKET)) {
    if (token === '{' || token === '[') {
      if (open.push(new Set()) > DEEPEST) throw fail(`it is nested deeper than ${DEEPEST} levels`);
    } else if (token === '}' || token === ']') open.pop();
    else if (colonAt(text, index + token.length)) {
      const key = JSON.parse(token) as string;
      if (open.at(-1)?.has(key)) throw fail(`key ${JSON.stringify(key)} stands twice`);
      open.at(-1)?.add(key);
    }
  }
}

function colonAt(text: string, position: number): boolean {
  COLON.lastIndex = position;
  return COLON.test(text);
}
