/** Where a text stops being JSON: V8's own message tells the place of some faults only, and quotes the text. */

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

type Expected = 'value' | 'first-value' | 'key' | 'first-key' | 'colon' | 'after';

interface Step {
  readonly at: number;
  readonly expected: Expected;
}

/** The offset (UTF-16) of the first character that no JSON can have there, `text.length` if it ends early. */
export function jsonFault(text: string): number | undefined {
  const open: string[] = [];
  let step: Step = { at: 0, expected: 'value' };
  for (;;) {
    const at = end(SPACE, text, step.at);
    if (open.length === 0 && step.expected === 'after') return at === text.length ? undefined : at;
    const next = advance(text, at, step.expected, open);
    if (typeof next === 'number') return next;
    step = next;
  }
}

/** One token on, or the offset of the fault. `open` holds the brackets that wait for their end. */
function advance(text: string, at: number, expected: Expected, open: string[]): Step | number {
  const character = text[at];
  const inner = open.at(-1);
  if (character === (inner === '{' ? '}' : ']') && mayClose(expected, inner)) {
    open.pop();
    return { at: at + 1, expected: 'after' };
  }
  if (expected === 'after') return character === ',' ? { at: at + 1, expected: inner === '{' ? 'key' : 'value' } : at;
  if (expected === 'colon') return character === ':' ? { at: at + 1, expected: 'value' } : at;
  if (expected === 'key' || expected === 'first-key') return character === '"' ? string(text, at, 'colon') : at;
  return value(text, at, open);
}

const mayClose = (expected: Expected, inner: string | undefined): boolean =>
  inner !== undefined && (expected === 'after' || expected === (inner === '{' ? 'first-key' : 'first-value'));

function value(text: string, at: number, open: string[]): Step | number {
  const character = text[at];
  if (character === '"') return string(text, at, 'after');
  if (character === '{' || character === '[') {
    open.push(character);
    return { at: at + 1, expected: character === '{' ? 'first-key' : 'first-value' };
  }
  const after = end(SCALAR, text, at);
  return after === at ? at : { at: after, expected: 'after' };
}

function string(text: string, start: number, expected: Expected): Step | number {
  let at = end(PLAIN, text, start + 1);
  while (text[at] === '\\') {
    const escaped = end(ESCAPE, text, at);
    if (escaped === at) return at;
    at = end(PLAIN, text, escaped);
  }
  return text[at] === '"' ? { at: at + 1, expected } : at;
}

/** Where a match that starts at `at` ends; `at` itself when there is none. */
function end(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
