/** What tokenizer.json's `normalizer` does to a text, as the Rust library does it. */
import { compileCharsmap } from './charsmap.js';
import { type Fields, fieldsOf, listOf, textOf } from './fields.js';
import { ReplaceNormalizer } from './library.js';

export type Normalize = (text: string) => string;

const LONE_SURROGATE = /\p{Surrogate}/gu;
/** Rust's idea of white space; JavaScript's trim() takes U+FEFF too and leaves U+0085. */
const LEADING = /^\p{White_Space}+/u;
const TRAILING_CHARACTER = /\p{White_Space}/u;

/** By hand and from the end: a regular expression would look at every inner run of spaces up to its end. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && TRAILING_CHARACTER.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

function strip(config: Fields): Normalize {
  const left: Normalize = config['strip_left'] === false ? (text) => text : (text) => text.replace(LEADING, '');
  return config['strip_right'] === false ? left : (text) => trimEnd(left(text));
}

/** `$` would be a reference to the match in JavaScript's replacement strings. */
function replace(config: Fields): Normalize {
  const pattern = fieldsOf(config['pattern'], 'normalizer.pattern');
  const content = textOf(config['content'], 'normalizer.content').replaceAll('$', '$$$$');
  const normalizer = new ReplaceNormalizer({ type: 'Replace', pattern, content });
  return (text) => normalizer.normalize(text);
}

function sequence(config: Fields): Normalize {
  const steps = listOf(config['normalizers'], 'normalizer.normalizers').map(compileNormalizer);
  return (text) => steps.reduce((done, step) => step(done), text);
}

const KINDS: Record<string, (config: Fields) => Normalize> = {
  Sequence: sequence,
  Strip: strip,
  Replace: replace,
  Precompiled: (config) => compileCharsmap(textOf(config['precompiled_charsmap'], 'normalizer.precompiled_charsmap')),
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  // Character by character, as in Rust: no final sigma.
  Lowercase: () => (text) => Array.from(text, (character) => character.toLowerCase()).join(''),
};

/** The normaliser a `normalizer` entry (or null) stands for. Throws, naming the type, when it is not supported. */
export function compileNormalizer(config: unknown): Normalize {
  if (config === null || config === undefined) return (text) => text;
  const fields = fieldsOf(config, 'normalizer');
  const type = textOf(fields['type'], 'normalizer.type');
  const compile = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (compile === undefined) throw new Error(`normalizer type ${type} is not supported`);
  return compile(fields);
}

/** Half a surrogate pair is no character; it becomes U+FFFD, as in any conversion to UTF-8. */
export function wellFormed(text: string): string {
  return text.replace(LONE_SURROGATE, '\ufffd');
}
