/** A run's gradient children, in integers only for a checkpoint whose gradient survives it. */
import { type GradientPool, openGradientPool } from './gradient-pool.js';
import type { Example } from './micro-batch.js';
import type { TrainingOptions } from './session.js';

/** Least cosine between the gradients of a first batch in the asked precision and in float32. */
const LEAST_COSINE = 0.95;

export interface TriedPool {
  readonly pool: GradientPool;
  /** Why float32 is used although integers were asked for; null: what was asked for is used. */
  readonly fallback: string | null;
}

/**
 * Opens `children` in the precision of `options`. In integers the gradient of `batch` at `parameters` is compared with
 * that of float32 first; the same batch and parameters decide the same, so a run that is resumed goes on as it began.
 */
export async function openTriedPool(
  options: TrainingOptions,
  children: number,
  parameters: Float32Array,
  batch: readonly Example[],
): Promise<TriedPool> {
  const pool = await openGradientPool(options, children);
  if (options.precision === 'float32') return { pool, fallback: null };
  const float32 = { ...options, precision: 'float32' } as const;
  try {
    const coded = await pool.gradient(parameters, batch, 0);
    const cosine = await using(openGradientPool(float32, 1), async (exact) =>
      cosineOf(coded.gradient, (await exact.gradient(parameters, batch, 0)).gradient),
    );
    if (cosine >= LEAST_COSINE) return { pool, fallback: null };
    await pool.close();
    const fallback = `${options.precision} turns the gradient (cosine ${cosine.toFixed(4)}, ${LEAST_COSINE} is needed): float32 is used`;
    return { pool: await openGradientPool(float32, children), fallback };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

async function using<T>(opening: Promise<GradientPool>, use: (pool: GradientPool) => Promise<T>): Promise<T> {
  const pool = await opening;
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

/** Of two vectors; 1 where both are 0, 0 where one is or where one is not finite. */
export function cosineOf(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  if (aa === 0 && bb === 0) return 1;
  const cosine = ab / Math.sqrt(aa * bb);
  return Number.isFinite(cosine) ? cosine : 0;
}
