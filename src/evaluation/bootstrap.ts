/** How sure a difference of accuracies is when rows of one page stand and fall together: the bootstrap by page. */

/** What one page's rows contribute: rows fixed less rows broken, and rows. */
export interface Cluster {
  readonly difference: number;
  readonly n: number;
}

export interface Interval {
  /** Two-sided, 95 %. */
  readonly low: number;
  readonly high: number;
  /** One-sided, 95 % each. */
  readonly lower: number;
  readonly upper: number;
}

export interface BootstrapOptions {
  readonly seed: number;
  /** One less than a multiple of 40, so that the percentiles fall on replicates. */
  readonly replicates: number;
}

export const BOOTSTRAP: BootstrapOptions = { seed: 42, replicates: 4999 };

/** Called between replicates, so that a long computation need not hold up a thread that answers requests. */
export type Pause = () => Promise<void> | undefined;

/** mulberry32 (Tommy Ettinger, public domain): uniform in [0, 1), 32 bits of state. */
function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** As many pages as there are, drawn with replacement: Σ difference / Σ n. */
function replicate(clusters: readonly Cluster[], random: () => number): number {
  let [difference, n] = [0, 0];
  for (let drawn = 0; drawn < clusters.length; drawn++) {
    const cluster = clusters[Math.floor(random() * clusters.length)] as Cluster;
    difference += cluster.difference;
    n += cluster.n;
  }
  return difference / n;
}

/**
 * Percentile intervals of the difference: the k-th smallest and k-th largest of B replicates, k = (B + 1) · α (Efron and
 * Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; pages as the resampled units: Field and Welsh, J. R.
 * Statist. Soc. B 69, 2007). Null for fewer than two pages, of which nothing can be said.
 */
export async function bootstrapByPage(
  clusters: readonly Cluster[],
  { seed, replicates }: BootstrapOptions = BOOTSTRAP,
  pause: Pause = () => undefined,
): Promise<Interval | null> {
  if (clusters.length < 2) return null;
  const random = uniform(seed);
  const values = new Float64Array(replicates);
  for (let at = 0; at < replicates; at++) {
    values[at] = replicate(clusters, random);
    await pause();
  }
  values.sort();
  const smallest = (share: number): number => values[Math.max(1, Math.round((replicates + 1) * share)) - 1] as number;
  const largest = (share: number): number =>
    values[replicates - Math.max(1, Math.round((replicates + 1) * share))] as number;
  return { low: smallest(0.025), high: largest(0.025), lower: smallest(0.05), upper: largest(0.05) };
}

/**
 * The one-sided upper limit of a rate of which `n` rows showed no case: 1 − α^(1/n) (Clopper and Pearson, Biometrika 26,
 * 1934, with no successes). Where nothing broke every replicate of a bootstrap says 0, whatever n is; this does not.
 */
export const limitOfNone = (n: number, alpha: number): number => 1 - alpha ** (1 / n);

/** The fewest rows without a case that hold the rate to at most `limit`. */
export const rowsForLimit = (limit: number, alpha: number): number => Math.ceil(Math.log(alpha) / Math.log(1 - limit));
