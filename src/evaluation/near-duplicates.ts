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

const PRIME = 0x01000193;
const BASIS = 0x811c9dc5;

/** FNV-1a over UTF-16 code units, 32 bit. */
function hash(text: string): number {
  let state = BASIS;
  for (let at = 0; at < text.length; at++) state = Math.imul(state ^ text.charCodeAt(at), PRIME);
  return state;
}

/** Bits mixed so that a change of any reaches all (the finish of MurmurHash3). */
function mixed(state: number): number {
  const first = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return (second ^ (second >>> 16)) >>> 0;
}

const WORDS = 3;

/**
 * The hashed 3-grams, each once, ascending. A text of fewer words is one gram, so that equal short texts are found. A
 * collision of hashes makes two texts look a little more alike than they are, never less.
 */
export function gramsOf(text: string): Uint32Array {
  const words = wordsOf(text).map(hash);
  const grams = new Set<number>();
  const last = Math.max(0, words.length - WORDS);
  for (let from = 0; from <= last; from++) {
    let state = BASIS;
    for (let at = from; at < from + WORDS; at++) state = mixed(Math.imul(state, 31) + (words[at] ?? 0));
    grams.add(state);
  }
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
async function countGrams(sets: readonly Uint32Array[], pause: Pause): Promise<Uint32Array> {
  const counts = new Uint32Array(SLOTS);
  for (const grams of sets) {
    await pause();
    for (const gram of grams) counts[gram % SLOTS] = (counts[gram % SLOTS] ?? 0) + 1;
  }
  return counts;
}

/** The grams that fewest texts hold; equally rare ones by value. Rank and gram are one number, for numbers sort fastest. */
function rarest(grams: Uint32Array, counts: Uint32Array): Uint32Array {
  const ranked = new Float64Array(grams.length);
  for (const [at, gram] of grams.entries()) ranked[at] = (counts[gram % SLOTS] ?? 0) * 2 ** 32 + gram;
  const least = ranked.sort().subarray(0, prefixLength(grams.length));
  const found = new Uint32Array(least.length);
  for (const [at, key] of least.entries()) found[at] = key % 2 ** 32;
  return found;
}

type Pause = () => Promise<void> | undefined;

/** Gram → the sets that hold it, in many maps: one would stand still for a tenth of a second each time it grows. */
class Index {
  readonly #shards = Array.from({ length: 256 }, () => new Map<number, number[]>());

  add(gram: number, at: number): void {
    const shard = this.#shardOf(gram);
    const holders = shard.get(gram);
    if (holders === undefined) shard.set(gram, [at]);
    else holders.push(at);
  }

  holders(gram: number): readonly number[] {
    return this.#shardOf(gram).get(gram) ?? NONE;
  }

  #shardOf(gram: number): Map<number, number[]> {
    return this.#shards[gram % this.#shards.length] as Map<number, number[]>;
  }
}

const NONE: readonly number[] = [];

async function indexOf(sets: readonly Uint32Array[], counts: Uint32Array, pause: Pause): Promise<Index> {
  const index = new Index();
  for (const [at, grams] of sets.entries()) {
    await pause();
    for (const gram of rarest(grams, counts)) index.add(gram, at);
  }
  return index;
}

/** Sets of too different sizes cannot be near. */
function near(a: Uint32Array, b: Uint32Array): boolean {
  const [small, large] = a.length < b.length ? [a, b] : [b, a];
  return small.length >= NEAR * large.length && jaccard(small, large) >= NEAR;
}

type Texts = Iterable<string> | AsyncIterable<string>;

/**
 * For each of `left`, whether one of `right` is near to it. Memory is for the grams of `left` alone. `pause` is called
 * between texts, so that a hundred thousand of them need not hold up a thread that answers requests.
 */
export async function nearAny(left: Texts, right: Texts, pause: Pause = () => undefined): Promise<boolean[]> {
  const sets: Uint32Array[] = [];
  for await (const text of left) {
    await pause();
    sets.push(gramsOf(text));
  }
  const counts = await countGrams(sets, pause);
  const index = await indexOf(sets, counts, pause);
  const found = sets.map(() => false);
  for await (const text of right) {
    await pause();
    const grams = gramsOf(text);
    for (const gram of rarest(grams, counts)) {
      for (const at of index.holders(gram)) found[at] ||= near(sets[at] as Uint32Array, grams);
      await pause();
    }
  }
  return found;
}
