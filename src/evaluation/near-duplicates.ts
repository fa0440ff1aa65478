/**
 * Texts that are nearly the same: the Jaccard index of their sets of word 3-grams is at least 0.9. Exact, without
 * sampling: of two such sets the rarest tenth must have a gram in common (prefix filter; Bayardo, Ma and Srikant, 2007),
 * so only texts that share one of their rarest grams are compared.
 */

export const NEAR = 0.9;

/** Words are runs of letters, marks and digits, in lower case, after NFKC: punctuation tells no texts apart here. */
function wordsOf(text: string): string[] {
  return (
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  );
}

/** FNV-1a over UTF-16 code units, 32 bit. A collision makes two texts look a little more alike than they are, never less. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  return state >>> 0;
}

const WORDS = 3;

/** The hashed 3-grams, each once, ascending. A text of fewer words is one gram, so that equal short texts are found. */
export function gramsOf(text: string): Uint32Array {
  const words = wordsOf(text);
  const grams = new Set<number>();
  for (let at = 0; at + WORDS <= words.length; at++) grams.add(hash(words.slice(at, at + WORDS).join(' ')));
  if (grams.size === 0) grams.add(hash(words.join(' ')));
  return Uint32Array.from(grams).sort();
}

/** |a ∩ b| / |a ∪ b| of two ascending sets. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let common = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [left, right] = [a[i] as number, b[j] as number];
    if (left === right) common += 1;
    if (left <= right) i += 1;
    if (right <= left) j += 1;
  }
  return common / (a.length + b.length - common);
}

/** How many of a set's rarest grams must hold one of any set that is near to it. */
const prefixLength = (size: number): number => size - Math.ceil(NEAR * size) + 1;

const SLOTS = 2 ** 22;

/** How often grams occur, roughly: grams may share a slot. Any order that all sets agree on is right; a good one is fast. */
function countGrams(sets: readonly Uint32Array[]): Uint32Array {
  const counts = new Uint32Array(SLOTS);
  for (const grams of sets) for (const gram of grams) counts[gram % SLOTS] = (counts[gram % SLOTS] ?? 0) + 1;
  return counts;
}

/** The grams that fewest texts hold; equally rare ones by value. */
function rarest(grams: Uint32Array, counts: Uint32Array): Uint32Array {
  const rank = (gram: number): number => counts[gram % SLOTS] ?? 0;
  const sorted = grams.toSorted((a, b) => rank(a) - rank(b) || a - b);
  return sorted.subarray(0, prefixLength(grams.length));
}

type Pause = () => Promise<void> | undefined;

async function indexOf(
  sets: readonly Uint32Array[],
  counts: Uint32Array,
  pause: Pause,
): Promise<Map<number, number[]>> {
  const index = new Map<number, number[]>();
  for (const [at, grams] of sets.entries()) {
    await pause();
    for (const gram of rarest(grams, counts)) {
      const holders = index.get(gram);
      if (holders === undefined) index.set(gram, [at]);
      else holders.push(at);
    }
  }
  return index;
}

/** Sets of too different sizes cannot be near. */
function near(a: Uint32Array, b: Uint32Array): boolean {
  const [small, large] = a.length < b.length ? [a, b] : [b, a];
  return small.length >= NEAR * large.length && jaccard(small, large) >= NEAR;
}

/**
 * For each of `left`, whether one of `right` is near to it. Memory is for `left` alone. `pause` is called between texts, so
 * that a hundred thousand of them need not hold up a thread that answers requests.
 */
export async function nearAny(
  left: readonly string[],
  right: Iterable<string>,
  pause: Pause = () => undefined,
): Promise<boolean[]> {
  const sets: Uint32Array[] = [];
  for (const text of left) {
    await pause();
    sets.push(gramsOf(text));
  }
  const counts = countGrams(sets);
  const index = await indexOf(sets, counts, pause);
  const found = sets.map(() => false);
  for (const text of right) {
    await pause();
    const grams = gramsOf(text);
    for (const gram of rarest(grams, counts))
      for (const at of index.get(gram) ?? []) found[at] ||= near(sets[at] as Uint32Array, grams);
  }
  return found;
}
