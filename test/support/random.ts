/** Seeded randomness, so that a failing test fails again. */

/** Numerical Recipes' 32-bit linear congruential generator, its high bits as a uniform in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export const integer = (random: () => number, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1));

/** Uniform in [-deviation, deviation). */
export const floats = (random: () => number, length: number, deviation = 1): Float32Array =>
  Float32Array.from({ length }, () => deviation * (2 * random() - 1));

/** Rows of token ids of the given lengths, none of them the padding's. */
export const tokens = (random: () => number, vocabulary: number, lengths: readonly number[]): Int32Array[] =>
  lengths.map((length) => Int32Array.from({ length }, () => integer(random, 1, vocabulary - 1)));

/** `bytes` with a few of them changed, removed or doubled. */
export function mutated(random: () => number, bytes: Uint8Array): Uint8Array {
  let changed = [...bytes];
  for (let n = integer(random, 1, 4); n > 0; n--) {
    const at = integer(random, 0, changed.length - 1);
    const kind = integer(random, 0, 9);
    if (kind < 8) changed[at] = kind < 4 ? integer(random, 0, 255) : changed[at]! ^ (1 << integer(random, 0, 7));
    else changed = kind === 8 ? changed.toSpliced(at, integer(random, 1, 8)) : changed.toSpliced(at, 0, changed[at]!);
  }
  return Uint8Array.from(changed);
}
