/** A checkpoint's tensors as graph values: float32 whatever the file holds. */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { FloatType } from '../tensors/dtype.js';
import { cast, weight } from './build.js';
import type { DType, Value } from './value.js';

const DTYPES: Record<FloatType, DType> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** Half-precision weights are widened once, when the session folds constants; the file is never copied. */
export type Weights = (name: string) => Value;

export const weightsOf =
  (checkpoint: Checkpoint): Weights =>
  (name) =>
    cast(stored(checkpoint, name), 'float32');

/** The tensor as the file holds it: for tables that are gathered from, where widening the rows is cheaper. */
export function stored({ weights, weightsFile }: Checkpoint, name: string): Value {
  const entry = weights.get(name);
  if (!entry) throw new TypeError(`tensor ${name} is missing`);
  const { offset, length, shape, type } = entry;
  return weight({ name, file: weightsFile, offset, length }, DTYPES[type], shape);
}
