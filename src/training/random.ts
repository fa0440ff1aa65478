/**
 * Counter-based random numbers (Salmon et al. 2011): a number is a function of a key and a counter, so nothing has to
 * be stored to resume, and the order of drawing does not matter. The mixer is MurmurHash3's 32-bit finaliser
 * (Appleby, public domain), with a second key word between its multiplications.
 */

/** A stream of numbers; different streams are independent. */
export interface Key {
  readonly low: number;
  readonly high: number;
}

/** The stream of a tuple of integers, such as (seed, step, layer). */
export function keyOf(...parts: readonly number[]): Key {
  let key: Key = { low: parts.length, high: 0x9e3779b9 };
  for (const part of parts) key = { low: bits(key, part), high: bits(key, part ^ 0x5bd1e995) };
  return key;
}

/** 32 random bits, as a signed integer. */
export function bits({ low, high }: Key, counter: number): number {
  let x = counter ^ low;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) + high;
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 16) ^ high, 0x27d4eb2f);
  return x ^ (x >>> 15);
}

/** Uniform in [0, 1), a multiple of 2⁻³². */
export const uniform = (key: Key, counter: number): number => (bits(key, counter) >>> 0) / 2 ** 32;

/** 0 … n-1 in random order (Fisher and Yates). */
export function permutation(key: Key, n: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniform(key, i) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
