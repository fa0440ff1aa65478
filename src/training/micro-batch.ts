/**
 * A batch in micro-batches: the unit of work that a child does. Their composition and the order of summation are fixed,
 * so the sum is the same to the bit whatever the number of children.
 */

export interface Example {
  readonly ids: Int32Array;
  /** Probability of each label. */
  readonly target: readonly number[];
}

export interface MicroBatch {
  readonly rows: readonly Int32Array[];
  /** Of each row, its target divided by the rows of the whole batch. */
  readonly targets: readonly (readonly number[])[];
  /** Place of the first row in the whole batch. */
  readonly firstRow: number;
}

/** Its part of the batch's mean loss and of that mean's gradient. */
export interface MicroResult {
  readonly loss: number;
  readonly gradient: Float32Array;
}

/** Rows of a micro-batch: enough for the matrix products, few enough for a small memory. */
export const MICRO_ROWS = 4;

export function microBatches(batch: readonly Example[], size = MICRO_ROWS): MicroBatch[] {
  return Array.from({ length: Math.ceil(batch.length / size) }, (_, i) => {
    const examples = batch.slice(i * size, (i + 1) * size);
    return {
      rows: examples.map(({ ids }) => ids),
      targets: examples.map(({ target }) => target.map((p) => p / batch.length)),
      firstRow: i * size,
    };
  });
}

/** The whole batch's mean loss and gradient, from its micro-batches' results in their order. */
export function summed(results: readonly MicroResult[]): MicroResult {
  const sum = new Float64Array(results[0]!.gradient.length);
  for (const { gradient } of results) for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + gradient[i]!;
  return { loss: results.reduce((total, { loss }) => total + loss, 0), gradient: Float32Array.from(sum) };
}

/** The target of a row with one right label out of `labels`. */
export const oneHot = (label: number, labels: number): number[] =>
  Array.from({ length: labels }, (_, i) => Number(i === label));
