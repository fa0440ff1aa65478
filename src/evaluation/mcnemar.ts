/** Whether two classifiers differ on the same rows: only rows on which one is right and the other wrong can tell. */

/** Σ_{i ≤ k} C(m, i) · 2^-m, each term by its logarithm, so that large counts neither overflow nor vanish. */
function halfTail(k: number, m: number): number {
  let term = -m * Math.LN2;
  let sum = Math.exp(term);
  for (let i = 1; i <= k; i++) {
    term += Math.log(m - i + 1) - Math.log(i);
    sum += Math.exp(term);
  }
  return sum;
}

/**
 * The exact two-sided p of `b` against `c` discordant rows under B ~ Binomial(b + c, 1/2): twice the smaller tail, at most 1
 * (McNemar, Psychometrika 12, 1947; the exact form as in Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13:91, 2013).
 */
export const exactP = (b: number, c: number): number => Math.min(1, 2 * halfTail(Math.min(b, c), b + c));

/** Discordant rows beyond which no number is named any more. */
const MOST_DISCORDANT = 100_000;

/**
 * About how many times as many rows make `fixed` against `broken` significant at `alpha` when the rates stay as they are;
 * null when they do not differ that way, or not within 100,000 such rows. Broken rows are rounded up and fixed ones down.
 */
export function timesUntilSignificant(fixed: number, broken: number, alpha: number): number | null {
  const significant = (times: number): boolean => {
    const [f, b] = [Math.floor(fixed * times), Math.ceil(broken * times)];
    return f > b && exactP(f, b) <= alpha;
  };
  if (fixed <= broken) return null;
  let high = 1;
  while (!significant(high)) if ((high *= 2) * (fixed + broken) > MOST_DISCORDANT) return null;
  if (high === 1) return 1;
  let low = high / 2;
  while (high - low > 0.01) {
    const middle = (low + high) / 2;
    if (significant(middle)) high = middle;
    else low = middle;
  }
  return high;
}
