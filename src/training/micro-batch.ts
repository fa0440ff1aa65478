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
  /** Place of each row in the whole batch. */
  readonly places: readonly number[];
}

/** Its part of the batch's mean loss and of that mean's gradient. */
export interface MicroResult {
  readonly loss: number;
  readonly gradient: Float32Array;
}

/** Most rows and padded tokens of a micro-batch: enough for fast matrix products, few enough for caches and memory. */
export const MICRO_ROWS = 4;
const MICRO_TOKENS = 256;

/** Rows of like length go together, the longest first. */
export function microBatches(batch: readonly Example[]): MicroBatch[] {
  const places = [...batch.keys()].toSorted((a, b) => batch[b]!.ids.length - batch[a]!.ids.length);
  const micros: MicroBatch[] = [];
  for (let start = 0; start < places.length; start += micros.at(-1)!.places.length) {
    const longest = batch[places[start]!]!.ids.length;
    const rows = Math.min(MICRO_ROWS, Math.max(1, Math.floor(MICRO_TOKENS / longest)));
    micros.push(microBatch(batch, places.slice(start, start + rows)));
  }
  return micros;
}

const microBatch = (batch: readonly Example[], places: readonly number[]): MicroBatch => ({
  rows: places.map((place) => batch[place]!.ids),
  targets: places.map((place) => batch[place]!.target.map((p) => p / batch.length)),
  places,
});

/** The whole batch's mean loss and gradient, from its micro-batches' results in their order. */
export function summed(results: readonly MicroResult[]): MicroResult {
  const gradient = new Float32Array(results[0]!.gradient.length);
  for (let i = 0; i < gradient.length; i++) {
    let sum = 0;
    for (const part of results) sum += part.gradient[i]!;
    gradient[i] = sum;
  }
  return { loss: results.reduce((sum, { loss }) => sum + loss, 0), gradient };
}

/** The target of a row with one right label out of `labels`. */
export const oneHot = (label: number, labels: number): number[] =>
  Array.from({ length: labels }, (_, i) => Number(i === label));
