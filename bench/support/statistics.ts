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

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of the mean; 0 for a single value. */
export function standardError(values: readonly number[]): number {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1) / values.length);
}
