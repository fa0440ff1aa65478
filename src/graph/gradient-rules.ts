/**
 * One gradient rule for every operator: `satisfies` the total mapped type, so an operator without a rule does not
 * compile. dy is the gradient of the loss by the node's output y; a rule answers, for each input x, how dx joins the
 * gradient that x has already got. It is asked only for the inputs that lead to what is trained.
 */
import {
  add,
  apply,
  cast,
  erf,
  exp,
  expand,
  floats,
  gemm,
  keptSum,
  matmul,
  multiply,
  pad,
  reshape,
  slice,
  standardised,
  subtract,
  times,
  transpose,
} from './build.js';
import { type Dim, type Shape, constant, dim, equal, size, sub } from './dims.js';
import type { OpName } from './operators.js';
import { type Node, type Value, isNode } from './value.js';

/** sum + this node's contribution; `sum` is null for the first. */
export type Accumulate = (sum: Value | null) => Value;
export type GradientRule<K extends OpName = OpName> = (node: Node<K>, dy: Value, y: Value) => readonly Accumulate[];

const plus =
  (contribution: () => Value): Accumulate =>
  (sum) =>
    sum ? add(sum, contribution()) : contribution();

export const GRADIENT_RULES = {
  /** da = dy, db = dy, summed over the axes that were stretched. */
  Add: ({ inputs }, dy) => inputs.map(({ shape }) => plus(() => unbroadcast(dy, shape))),

  /** dx = dy in the type of x. */
  Cast: ({ inputs: [x] }, dy) => [plus(() => cast(dy, x!.dtype))],

  /** dx = dy · 2/√π · exp(-x²). */
  Erf: ({ inputs: [x] }, dy) => [
    plus(() => multiply(dy, times(exp(times(multiply(x!, x!), -1)), 2 / Math.sqrt(Math.PI)))),
  ],

  /** dx = dy · y. */
  Exp: (_node, dy, y) => [plus(() => multiply(dy, y))],

  /** dx = dy, summed over the axes that were stretched. */
  Expand: ({ inputs: [x] }, dy) => [plus(() => unbroadcast(dy, x!.shape))],

  /** y = α·A·B: dA = α·dy·Bᵀ, dB = α·Aᵀ·dy, each stored the way its matrix is. */
  FusedMatMul: ({ inputs: [a, b], attributes }, dy) => {
    const { alpha, transA = 0, transB = 0, transBatchA = 0, transBatchB = 0 } = attributes;
    const scaled = alpha === undefined ? {} : { alpha };
    const da = (): Value =>
      transA
        ? matmul(b!, dy, { ...scaled, transA: transB, transBatchA: transBatchB, transB: 1 })
        : matmul(dy, b!, { ...scaled, transB: not(transB), transBatchB });
    const db = (): Value =>
      transB
        ? matmul(dy, a!, { ...scaled, transA: 1, transB: transA, transBatchB: transBatchA })
        : matmul(a!, dy, { ...scaled, transA: not(transA), transBatchA });
    return [plus(() => asStored(da(), a!.shape, transBatchA)), plus(() => asStored(db(), b!.shape, transBatchB))];
  },

  /** Only frozen tables are gathered from. */
  Gather: () => {
    throw new TypeError('Gather has no gradient: a table that is gathered from cannot be trained');
  },

  /** y = x·Φ(x): dx = dy · (Φ(x) + x·φ(x)), Φ = (1 + erf(x/√2)) / 2, φ = exp(-x²/2) / √(2π). */
  Gelu: ({ inputs: [x] }, dy) => [plus(() => multiply(inProduct(dy, 0.5), twiceGeluSlope(x!)))],

  /** y = α·A·B + C: dA = α·dy·Bᵀ, dB = α·Aᵀ·dy (the sum so far enters as their C), dC = dy. */
  Gemm: ({ inputs: [a, b, c], attributes: { alpha, transA = 0, transB = 0 } }, dy) => {
    const scaled = alpha === undefined ? {} : { alpha };
    const da: Accumulate = (sum) =>
      transA
        ? gemm(b!, dy, sum, { ...scaled, transA: transB, transB: 1 })
        : gemm(dy, b!, sum, { ...scaled, transB: not(transB) });
    const db: Accumulate = (sum) =>
      transB
        ? gemm(dy, a!, sum, { ...scaled, transA: 1, transB: transA })
        : gemm(a!, dy, sum, { ...scaled, transA: not(transA) });
    return [da, db, ...(c ? [plus(() => unbroadcast(dy, c.shape))] : [])];
  },

  /**
   * y = γ·x̂ + β with x̂ = (x - μ)/σ. For g = dy·γ: dx = (g - mean(g) - x̂·mean(g·x̂)) / σ; dγ = Σ dy·x̂; dβ = Σ dy.
   * x̂ and 1/σ are computed again: cheaper than keeping them.
   */
  LayerNormalization: ({ inputs: [x, gamma, beta], attributes: { epsilon } }, dy) => {
    const again = (): ReturnType<typeof standardised> => standardised(x!, epsilon);
    return [
      plus(() => layerNormSlope(multiply(dy, gamma!), again())),
      plus(() => unbroadcast(multiply(dy, again().standard), gamma!.shape)),
      plus(() => unbroadcast(dy, beta!.shape)),
    ];
  },

  /** dx = dy - exp(y) · Σ dy. */
  LogSoftmax: (_node, dy, y) => [plus(() => subtract(dy, multiply(exp(y), rowSums(dy))))],

  MatMulIntegerToFloat: () => notDifferentiated('MatMulIntegerToFloat'),

  Max: () => notDifferentiated('Max'),

  /** da = dy·b, db = dy·a, summed over the axes that were stretched. */
  Mul: ({ inputs: [a, b] }, dy) => [
    plus(() => unbroadcast(multiply(dy, b!), a!.shape)),
    plus(() => unbroadcast(multiply(dy, a!), b!.shape)),
  ],

  /** dx = dy without the padding. */
  Pad: ({ inputs: [x], attributes: { axis, before } }, dy) => [plus(() => slice(dy, axis, before, x!.shape[axis]!))],

  QuantizeLinear: () => notDifferentiated('QuantizeLinear'),

  ReduceMax: () => notDifferentiated('ReduceMax'),

  ReduceMin: () => notDifferentiated('ReduceMin'),

  /** dx = dy, repeated along the axis that was summed. */
  ReduceSum: ({ inputs: [x], attributes: { axis } }, dy) => [
    plus(() => expand(reshape(dy, ...x!.shape.with(axis, dim(1))), x!.shape)),
  ],

  /** dx = dy in the shape of x. */
  Reshape: ({ inputs: [x] }, dy) => [plus(() => reshape(dy, ...x!.shape))],

  /** dx = dy with zeros where nothing was taken. */
  Slice: ({ inputs: [x], attributes: { axis, start, length } }, dy) => [
    plus(() => pad(dy, axis, start, sub(sub(x!.shape[axis]!, length), start))),
  ],

  /** dx = y · (dy - Σ dy·y). */
  Softmax: (_node, dy, y) => [plus(() => multiply(y, subtract(dy, rowSums(multiply(dy, y)))))],

  /** As its slope says. */
  StraightThrough: ({ attributes: { slope } }, dy) => [(sum) => slope(dy, sum)],

  /** da = dy, db = -dy, summed over the axes that were stretched. */
  Sub: ({ inputs: [a, b] }, dy) => [
    plus(() => unbroadcast(dy, a!.shape)),
    plus(() => unbroadcast(times(dy, -1), b!.shape)),
  ],

  /** dx = dy with the axes put back. */
  Transpose: ({ attributes: { perm } }, dy) => [
    plus(() =>
      transpose(
        dy,
        perm.map((_, axis) => perm.indexOf(axis)),
      ),
    ),
  ],
} satisfies { readonly [K in OpName]: GradientRule<K> };

/** Steps of quantisation: differentiated, where they are, by what they stand for. */
function notDifferentiated(op: OpName): never {
  throw new TypeError(`${op} has no gradient: what is quantised is differentiated by the Linear it stands for`);
}

const not = (flag: 0 | 1): 0 | 1 => (flag ? 0 : 1);

/** dy summed over the axes along which a tensor of `shape` was stretched to it. */
function unbroadcast(dy: Value, shape: Shape): Value {
  let sum = dy;
  while (sum.shape.length > shape.length) sum = sumOfRows(sum);
  for (const [axis, d] of shape.entries()) {
    if (constant(d) === 1 && !equal(sum.shape[axis]!, 1))
      sum = axis === 0 ? reshape(sumOfRows(sum), 1, ...sum.shape.slice(1)) : keptSum(sum, axis);
  }
  return sum;
}

/** x · factor, where it can in the product that makes x. */
function inProduct(x: Value, factor: number): Value {
  const node = x.source.kind === 'node' ? x.source.node : null;
  if (!node || !isNode(node, 'Gemm') || node.inputs.length > 2) return times(x, factor);
  return apply('Gemm', node.inputs, { ...node.attributes, alpha: factor * (node.attributes.alpha ?? 1) });
}

/** The gradient of a FusedMatMul's operand, [batch…, rows, columns], in that operand's own layout. */
function asStored(gradient: Value, shape: Shape, transBatch: 0 | 1): Value {
  if (!transBatch) return unbroadcast(gradient, shape);
  const batched = unbroadcast(gradient, [...shape.slice(1, -1), shape[0]!, shape.at(-1)!]);
  const last = shape.length - 1;
  return transpose(batched, [last - 1, ...shape.slice(1, -1).keys(), last]);
}

const rowSums = (x: Value): Value => keptSum(x, x.shape.length - 1);

const rowMeans = (x: Value): Value => times(rowSums(x), 1 / constant(x.shape.at(-1)!)!);

function layerNormSlope(g: Value, { standard, inverseDeviation }: ReturnType<typeof standardised>): Value {
  const centred = subtract(g, rowMeans(g));
  return multiply(subtract(centred, multiply(standard, rowMeans(multiply(g, standard)))), inverseDeviation);
}

/** 2x·φ(x) + 2Φ(x), the constants folded into the exponent: twice the slope. */
function twiceGeluSlope(x: Value): Value {
  const z = times(x, Math.SQRT1_2);
  const twiceDensity = exp(subtract(floats([Math.log(2 / Math.sqrt(2 * Math.PI))], []), multiply(z, z)));
  return add(add(multiply(x, twiceDensity), erf(z)), floats([1], []));
}

/** The sum over the leading axis, as a product with a row of ones: several times faster than ReduceSum there. */
function sumOfRows(x: Value): Value {
  const [rows, ...rest] = x.shape as [Dim, ...Dim[]];
  const ones = expand(floats([1], [1, 1]), [dim(1), rows]);
  return reshape(gemm(ones, reshape(x, rows, size(rest)), null), ...rest);
}
