/**
 * SentencePiece's precompiled normalisation rules (tokenizer.json's `Precompiled`): a double-array trie over UTF-8 that
 * maps a sequence to its replacement. Applied as Hugging Face's Rust library applies them, which is what checkpoints
 * were trained with: to a grapheme cluster of fewer than six bytes as a whole, otherwise to each character, and always
 * by the *shortest* matching key. @huggingface/tokenizers approximates this by NFKC and a list of characters.
 */

/** Characters outside printable ASCII, with the neighbours that may belong to the same grapheme cluster. */
const REACH = /[\x20-\x7e]?[^\x20-\x7e]+(?:[\x20-\x7e][^\x20-\x7e]+)*[\x20-\x7e]?/g;
const PRINTABLE_ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i));
const REMEMBERED = 10_000;

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
 * The normaliser that `precompiled_charsmap` (base64) describes, for well-formed texts. Plain ASCII passes untouched
 * when the rules leave it alone. Throws when the map is damaged.
 */
export function compileCharsmap(base64: string): (text: string) => string {
  const rules = readRules(base64);
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
  const known = new Map<string, string>();
  const replaced = (grapheme: string): string => {
    const found = known.get(grapheme) ?? replaceGrapheme(rules, grapheme);
    if (known.size >= REMEMBERED) known.clear();
    if (grapheme.length <= 8) known.set(grapheme, found);
    return found;
  };
  const rewrite = (part: string): string => {
    let out = '';
    for (const { segment } of segmenter.segment(part)) out += replaced(segment);
    return out;
  };
  const keepsAscii = PRINTABLE_ASCII.every((character) => replacementOf(rules, character) === null);
  return keepsAscii ? (text) => text.replace(REACH, rewrite) : rewrite;
}
