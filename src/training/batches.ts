/** The order in which rows are learnt from: a function of the seed and the epoch alone, so a resumed run meets the same. */
import { keyOf, permutation } from './random.js';

export interface BatchPlan {
  readonly seed: number;
  readonly batchSize: number;
}

/** Batches per pool at most; rows are sorted by length within a pool only, so that batches stay random. */
const LARGEST_POOL = 50;
const POOLS_AT_LEAST = 4;

/** Keys of the two draws of an epoch; the first number sets them apart from other uses of the seed. */
const rowsKey = (seed: number, epoch: number) => keyOf(0x726f7773, seed, epoch);
const batchesKey = (seed: number, epoch: number) => keyOf(0x62617463, seed, epoch);

export const batchesPerEpoch = (rows: number, { batchSize }: BatchPlan): number => Math.ceil(rows / batchSize);

/**
 * Row numbers of each batch of one epoch; every row is in exactly one. Rows of like length share a batch: the shuffled
 * rows are cut into pools, each is sorted by length and cut into batches (transformers' LengthGroupedSampler), and the
 * batches are shuffled again.
 * @param lengths tokens of each row
 */
export function epochBatches(lengths: readonly number[], plan: BatchPlan, epoch: number): number[][] {
  const { seed, batchSize } = plan;
  const shuffled = [...permutation(rowsKey(seed, epoch), lengths.length)];
  const pool = batchSize * poolBatches(lengths.length, batchSize);
  const sorted = chunks(shuffled, pool).flatMap((rows) => rows.sort((a, b) => lengths[b]! - lengths[a]!));
  const batches = chunks(sorted, batchSize);
  return [...permutation(batchesKey(seed, epoch), batches.length)].map((i) => batches[i]!);
}

const poolBatches = (rows: number, batchSize: number): number =>
  Math.max(1, Math.min(LARGEST_POOL, Math.floor(rows / (batchSize * POOLS_AT_LEAST))));

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
