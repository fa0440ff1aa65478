/** JSON from strangers: valid UTF-8, no duplicate key, objects as Maps so that no name means anything to JavaScript. */

type Fail = (reason: string) => Error;

/** Far above any configuration; below what recursion over the value can bear. */
const MAX_DEPTH = 64;
const MAX_SHOWN = 200;

/** The value of `bytes`; throws `fail(reason)` where it is not JSON, names a key twice in one object or nests deeply. */
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

/** `text` is known to parse, so a string followed by a colon is a key of the innermost open object. */
function checkStructure(text: string, fail: Fail): void {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '{' || character === '[') open.push(new Set());
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const end = stringEnd(text, at);
      if (isKey(text, end)) addKey(open.at(-1), JSON.parse(text.slice(at, end)) as string, fail);
      at = end - 1;
    }
    if (open.length > MAX_DEPTH) throw fail(`it is nested deeper than ${MAX_DEPTH} levels`);
  }
}

/** The index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
}

function isKey(text: string, after: number): boolean {
  let at = after;
  while (' \t\n\r'.includes(text[at] ?? ',')) at++;
  return text[at] === ':';
}

function addKey(keys: Set<string> | undefined, key: string, fail: Fail): void {
  if (keys?.has(key)) throw fail(`key ${shown(key)} stands twice`);
  keys?.add(key);
}

/** A value for a message: what a stranger wrote may be long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(plain(value)) ?? 'missing';
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Map ? Object.fromEntries([...value].map(([key, member]) => [key, plain(member)])) : value;
}
