/** What benchmarks report of repeated measurements. */

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Nearest-rank quantile, q in (0, 1]. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** Milliseconds of `work`, repeated; the first `warmUp` runs are not counted. */
export async function timed(work: () => Promise<unknown>, repetitions: number, warmUp = 2): Promise<number[]> {
  const times: number[] = [];
  for (let run = -warmUp; run < repetitions; run++) {
    const started = performance.now();
    await work();
    if (run >= 0) times.push(performance.now() - started);
  }
  return times;
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));
