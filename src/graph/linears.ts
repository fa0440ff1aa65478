/** The frozen Linears of a checkpoint, y = x·Wᵀ + b: in float32, or as products of 8-bit integers. */
import {
  add,
  apply,
  bytes,
  expand,
  floats,
  gemm,
  larger,
  multiply,
  quantize,
  reduceMax,
  reduceMin,
  reshape,
  straightThrough,
  times,
  transpose,
} from './build.js';
import type { Slope } from './operators.js';
import type { Value } from './value.js';
import type { Weights } from './weights.js';

/** Of the frozen Linears; all else is float32. */
export type Precision = 'float32' | 'int8';

/** x [rows, in] → [rows, out] by the Linear of that name. */
export type Linears = (module: string, x: Value) => Value;

export const float32Linears =
  (weights: Weights): Linears =>
  (module, x) =>
    gemm(x, weights(`${module}.weight`), weights(`${module}.bias`), { transB: 1 });

/** The largest code of a weight: 127, or 63 on a processor whose 8-bit products saturate at 16 bits. */
export type Int8Limit = 127 | 63;

/**
 * Weights in int8 with a scale for each column of the product, made from the file's floats when the session folds
 * constants; activations in uint8 around 128 with a scale for each row, so that what else is in the batch changes
 * nothing: x ≈ s·(codes - 128), W ≈ t·w, y = s·(codes - 128)·w·t + b, s = max |row of x| / 127, t = max |row of W| / limit.
 */
export function int8Linears(weights: Weights, limit: Int8Limit): Linears {
  const product = int8Products(limit);
  return (module, x) => add(product(x, weights(`${module}.weight`)), weights(`${module}.bias`));
}

/** In which numbers y = x·Wᵀ + b is computed, and in which its gradient dx = dy·W. */
export interface Passes {
  readonly forward: Precision;
  readonly backward: Precision;
}

/** Either pass in integers, differentiated by x as the float32 Linear that both stand for. */
export function int8TrainingLinears(weights: Weights, limit: Int8Limit, passes: Passes): Linears {
  const forward = passes.forward === 'int8' ? int8Linears(weights, limit) : float32Linears(weights);
  const product = int8Products(limit);
  return (module, x) => {
    const w = weights(`${module}.weight`);
    const slope: Slope = (dy, sum) => {
      if (passes.backward === 'float32') return gemm(dy, w, sum);
      const dx = product(dy, transpose(w, [1, 0]));
      return sum ? add(dx, sum) : dx;
    };
    return straightThrough(x, forward(module, x), slope);
  };
}

/** x·Wᵀ, for x [rows, in] and a constant W [out, in]; what is multiplied several times is coded once. */
function int8Products(limit: Int8Limit): (x: Value, w: Value) => Value {
  const coded = new Map<Value, CodedRows>();
  return (x, w) => {
    const known = coded.get(x) ?? codedRows(x);
    coded.set(x, known);
    return multiply(integerProduct(known.codes, codedWeight(w, limit)), known.scale);
  };
}

/** x [rows, k] ≈ scale [rows, 1] · (codes [rows, k] - 128). */
interface CodedRows {
  readonly codes: Value;
  readonly scale: Value;
}

function codedRows(x: Value): CodedRows {
  const scale = rowScale(x, 127);
  const rows = x.shape[0]!;
  const codes = quantize(x, scale, expand(bytes('uint8', [128], [1]), [rows]));
  return { codes, scale: reshape(scale, rows, 1) };
}

/** A row of zeros (padding) would have a scale of 0. */
const SMALLEST_SCALE = 1e-30;

/** What makes the largest code of each row `limit`, [rows]. */
function rowScale(x: Value, limit: number): Value {
  const largest = larger(reduceMax(x, 1), times(reduceMin(x, 1), -1));
  return larger(times(largest, 1 / limit), floats([SMALLEST_SCALE], [1]));
}

/** A weight [out, in] as int8 [in, out] and the scale [out] of its columns. */
interface CodedWeight {
  readonly codes: Value;
  readonly scale: Value;
}

function codedWeight(weight: Value, limit: Int8Limit): CodedWeight {
  const scale = rowScale(weight, limit);
  return { codes: transpose(quantize(weight, scale, zeros(scale)), [1, 0]), scale };
}

const zeros = ({ shape }: Value): Value => expand(bytes('int8', [0], [1]), shape);

const integerProduct = (codes: Value, weight: CodedWeight): Value =>
  apply(
    'MatMulIntegerToFloat',
    [codes, weight.codes, floats([1], []), weight.scale, bytes('uint8', [128], []), zeros(weight.scale)],
    {},
  );
