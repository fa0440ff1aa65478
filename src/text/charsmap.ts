/**
 * SentencePiece's precompiled normalisation rules (tokenizer.json's `Precompiled`): a double-array trie over UTF-8 that
 * maps a sequence to its replacement. Applied as Hugging Face's Rust library applies them, which is what checkpoints
 * were trained with: to a grapheme cluster of fewer than six bytes as a whole, otherwise to each character, and always
 * by the *shortest* matching key. @huggingface/tokenizers approximates this by NFKC and a list of characters.
 */

const PRINTABLE_ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i));
const ONLY_ASCII = /^[\x20-\x7e]*$/;
const REMEMBERED = 10_000;

/**
 * Grapheme clusters (UAX #29) as far as they can be shorter than six bytes, which leaves out Hangul syllables, flags,
 * emoji sequences and Indic conjuncts; plain ASCII alone is not matched. Intl.Segmenter takes 2.5 µs for each.
 */
const PREPEND = String.raw`[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\u{110bd}\u{110cd}\u{111c2}\u{111c3}\u{1193f}\u{11941}\u{11a3a}\u{11a84}-\u{11a89}\u{11d46}\u{11f02}]`;
const NO_SPACING = String.raw`\u102b\u102c\u1038\u1062-\u1064\u1067-\u106d\u1083\u1087-\u108c\u108f\u109a-\u109c\u1a61\u1a63\u1a64\uaa7b\uaa7d\u{11720}\u{11721}`;
const JOINED = String.raw`(?:[\p{Grapheme_Extend}\p{Emoji_Modifier}\u200d\u0e33\u0eb3]|(?![${NO_SPACING}])\p{Mc})`;
const CONTROL = String.raw`(?!${PREPEND}|${JOINED})[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]`;
const CLUSTER = new RegExp(
  String.raw`\r\n|${CONTROL}|${PREPEND}+(?:(?!${CONTROL})[^]${JOINED}*)?|[\x20-\x7e]${JOINED}+|[^\x20-\x7e]${JOINED}*`,
  'gu',
);

interface Rules {
  readonly units: Uint32Array;
  readonly replacements: Buffer;
}

/** Layout: u32 bytes of the trie, the trie's u32 units, then NUL-terminated UTF-8 replacements; little-endian. */
function readRules(base64: string): Rules {
  const bytes = Buffer.from(base64, 'base64');
  const trieBytes = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
  if (trieBytes === 0 || trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length)
    throw new Error('precompiled_charsmap is damaged');
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
  return { units, replacements: bytes.subarray(4 + trieBytes) };
}

/** Darts-clone's packing of a unit: offset to the children, label, and whether a value hangs below. */
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
const hasLeaf = (unit: number): boolean => (unit & 0x100) !== 0;

/** Where the replacement of the shortest key that begins `key` lies, or -1. */
function findShortest(units: Uint32Array, key: Buffer): number {
  let position = offsetOf(units[0] ?? 0);
  for (const byte of key) {
    if (byte === 0) return -1;
    position ^= byte;
    const unit = units[position] ?? 0;
    if (labelOf(unit) !== byte) return -1;
    position ^= offsetOf(unit);
    if (hasLeaf(unit)) return (units[position] ?? 0) & 0x7fffffff;
  }
  return -1;
}

function replacementOf(rules: Rules, sequence: string): string | null {
  const start = findShortest(rules.units, Buffer.from(sequence));
  if (start < 0) return null;
  const end = rules.replacements.indexOf(0, start);
  return rules.replacements.toString('utf8', start, end < 0 ? undefined : end);
}

function replaceGrapheme(rules: Rules, grapheme: string): string {
  const whole = Buffer.byteLength(grapheme) < 6 ? replacementOf(rules, grapheme) : null;
  if (whole !== null) return whole;
  let out = '';
  for (const character of grapheme) out += replacementOf(rules, character) ?? character;
  return out;
}

/**
 * The normaliser that `precompiled_charsmap` (base64) describes, for well-formed texts. Throws when the map is damaged,
 * or changes plain ASCII (SentencePiece's case-folding rules do).
 */
export function compileCharsmap(base64: string): (text: string) => string {
  const rules = readRules(base64);
  const known = new Map<string, string>();
  const replaced = (grapheme: string): string => {
    const found = known.get(grapheme) ?? replaceGrapheme(rules, grapheme);
    if (known.size >= REMEMBERED) known.clear();
    if (grapheme.length <= 8) known.set(grapheme, found);
    return found;
  };
  const rewrite = (text: string): string => text.replace(CLUSTER, replaced);
  const keepsAscii = PRINTABLE_ASCII.every((character) => replacementOf(rules, character) === null);
  if (!keepsAscii) throw new Error('precompiled_charsmap changes plain ASCII, which is not supported');
  return (text) => (ONLY_ASCII.test(text) ? text : rewrite(text));
}
