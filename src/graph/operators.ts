/**
 * The operators Errata's graphs are made of: one table of domains and shape rules. A rule gets the input types and the
 * attributes and returns the output types, or throws a TypeError that says what does not fit.
 * Semantics: https://onnx.ai/onnx/operators and onnxruntime's docs/ContribOperators.md (domain com.microsoft).
 */
import { type Dim, type Shape, add as sum, constant, dim, equal, mul, shapeText, sameShape, size } from './dims.js';
import type { DType, TensorType, Value } from './value.js';

export interface OpAttributes {
  Add: Record<never, never>;
  Cast: { to: DType };
  Erf: Record<never, never>;
  Exp: Record<never, never>;
  /** `to` is written as the second ONNX input. */
  Expand: { to: Shape };
  FusedMatMul: { alpha?: number; transA?: 0 | 1; transB?: 0 | 1; transBatchA?: 0 | 1; transBatchB?: 0 | 1 };
  Gather: { axis: number };
  Gelu: Record<never, never>;
  Gemm: { alpha?: number; transA?: 0 | 1; transB?: 0 | 1 };
  /** With `statistics`, outputs 1 and 2 are the rows' mean and inverse standard deviation. */
  LayerNormalization: { axis: -1; epsilon: number; statistics?: 1 };
  LogSoftmax: { axis: -1 };
  /** (codes - zero point) · W · (scale of each column), + bias: codes uint8 [M, K], W int8 [K, N]. */
  MatMulIntegerToFloat: Record<never, never>;
  Max: Record<never, never>;
  Mul: Record<never, never>;
  /** Zeros before and after, on one axis; written as ONNX inputs. */
  Pad: { axis: number; before: Dim; after: Dim };
  /** round(x / scale) + zero point, saturated to the zero point's type: a scale and a zero point for each row (axis 0). */
  QuantizeLinear: { axis: 0 };
  ReduceMax: { axes: readonly [number]; keepdims: 0 };
  ReduceMin: { axes: readonly [number]; keepdims: 0 };
  ReduceSum: { axis: number; keepdims?: 1 };
  /** `to` is written as the second ONNX input. */
  Reshape: { to: Shape };
  /** One axis; start and length are written as ONNX inputs. */
  Slice: { axis: number; start: Dim; length: Dim };
  Softmax: { axis: -1 };
  /**
   * The second input, differentiated as a function of the first alone, by a slope of its own: so a Linear is computed in
   * integers and differentiated as the float32 one it stands for (straight-through estimator, Bengio et al. 2013). It is
   * not written: in the file there is only the second input.
   */
  StraightThrough: { slope: Slope };
  Sub: Record<never, never>;
  Transpose: { perm: readonly number[] };
}

/** The gradient of the loss by x, given dy and the sum of what x has got so far. */
export type Slope = (dy: Value, sum: Value | null) => Value;

export type OpName = keyof OpAttributes;
export type Domain = '' | 'com.microsoft';

export interface Operator<A> {
  readonly domain: Domain;
  /** The type of the first output. */
  readonly infer: (inputs: readonly TensorType[], attributes: A) => TensorType;
  /** The types of the others, where there are any. */
  readonly inferRest?: (inputs: readonly TensorType[], attributes: A) => readonly TensorType[];
}

export const OPERATORS: { readonly [K in OpName]: Operator<OpAttributes[K]> } = {
  Add: { domain: '', infer: ([a, b]) => like(oneType('Add', a!, b!), broadcast(a!.shape, b!.shape)) },
  Cast: { domain: '', infer: ([x], { to }) => ({ dtype: to, shape: x!.shape }) },
  Erf: { domain: '', infer: ([x]) => x! },
  Exp: { domain: '', infer: ([x]) => x! },
  Expand: {
    domain: '',
    infer: ([x], { to }) => {
      fits(sameShape(broadcast(x!.shape, to), to), 'Expand', x!.shape, to);
      return like(x!, to);
    },
  },
  FusedMatMul: {
    domain: 'com.microsoft',
    infer: ([a, b], { transA, transB, transBatchA, transBatchB }) => {
      const left = swapLast(batchFirst(a!.shape, transBatchA), transA);
      const right = swapLast(batchFirst(b!.shape, transBatchB), transB);
      const [m, k] = left.slice(-2);
      const [k2, n] = right.slice(-2);
      fits(left.length >= 2 && right.length >= 2 && equal(k!, k2!), 'FusedMatMul', left, right);
      return like(oneType('FusedMatMul', a!, b!), [...broadcast(left.slice(0, -2), right.slice(0, -2)), m!, n!]);
    },
  },
  Gather: {
    domain: '',
    infer: ([x, indices], { axis }) => {
      if (!indices!.dtype.startsWith('int')) throw new TypeError(`Gather: indices are ${indices!.dtype}`);
      return like(x!, x!.shape.toSpliced(axisOf('Gather', x!, axis), 1, ...indices!.shape));
    },
  },
  Gelu: { domain: 'com.microsoft', infer: ([x]) => x! },
  Gemm: {
    domain: '',
    infer: ([a, b, c], { transA, transB }) => {
      const [m, k] = swapLast(a!.shape, transA);
      const [k2, n] = swapLast(b!.shape, transB);
      fits(a!.shape.length === 2 && b!.shape.length === 2 && equal(k!, k2!), 'Gemm', a!.shape, b!.shape);
      if (c) fits(sameShape(broadcast([m!, n!], c.shape), [m!, n!]), 'Gemm', [m!, n!], c.shape);
      return like(oneType('Gemm', a!, b!, ...(c ? [c] : [])), [m!, n!]);
    },
  },
  LayerNormalization: {
    domain: '',
    infer: ([x, gamma, beta]) => {
      for (const p of [gamma!, beta!])
        fits(sameShape(p.shape, x!.shape.slice(-1)), 'LayerNormalization', x!.shape, p.shape);
      return x!;
    },
    inferRest: ([x], { statistics }) => {
      const row = like(x!, x!.shape.with(x!.shape.length - 1, dim(1)));
      return statistics ? [row, row] : [];
    },
  },
  LogSoftmax: { domain: '', infer: ([x]) => x! },
  MatMulIntegerToFloat: {
    domain: 'com.microsoft',
    infer: ([codes, w, one, scale, codesZero, wZero, bias]) => {
      const [[m, k], [k2, n]] = [codes!.shape, w!.shape] as [[Dim, Dim], [Dim, Dim]];
      fits(
        codes!.shape.length === 2 && w!.shape.length === 2 && equal(k, k2),
        'MatMulIntegerToFloat',
        codes!.shape,
        w!.shape,
      );
      for (const scalar of [one!, codesZero!])
        fits(equal(size(scalar.shape), 1), 'MatMulIntegerToFloat', scalar.shape, []);
      for (const perColumn of [scale!, wZero!, ...(bias ? [bias] : [])])
        fits(sameShape(perColumn.shape, [n]), 'MatMulIntegerToFloat', w!.shape, perColumn.shape);
      return like(scale!, [m, n]);
    },
  },
  Max: { domain: '', infer: ([a, b]) => like(oneType('Max', a!, b!), broadcast(a!.shape, b!.shape)) },
  Mul: { domain: '', infer: ([a, b]) => like(oneType('Mul', a!, b!), broadcast(a!.shape, b!.shape)) },
  Pad: {
    domain: '',
    infer: ([x], { axis, before, after }) =>
      like(x!, x!.shape.with(axisOf('Pad', x!, axis), sum(before, x!.shape[axis]!, after))),
  },
  QuantizeLinear: {
    domain: '',
    infer: ([x, scale, zero]) => {
      const rows = x!.shape.slice(0, 1);
      for (const perRow of [scale!, zero!])
        fits(sameShape(perRow.shape, rows), 'QuantizeLinear', x!.shape, perRow.shape);
      oneType('QuantizeLinear', x!, scale!);
      return { dtype: zero!.dtype, shape: x!.shape };
    },
  },
  ReduceMax: { domain: '', infer: ([x], { axes }) => without('ReduceMax', x!, axes[0]) },
  ReduceMin: { domain: '', infer: ([x], { axes }) => without('ReduceMin', x!, axes[0]) },
  ReduceSum: {
    domain: '',
    infer: ([x], { axis, keepdims }) => {
      const at = axisOf('ReduceSum', x!, axis);
      return like(x!, keepdims ? x!.shape.with(at, dim(1)) : x!.shape.toSpliced(at, 1));
    },
  },
  Reshape: {
    domain: '',
    infer: ([x], { to }) => {
      fits(equal(size(x!.shape), size(to)), 'Reshape', x!.shape, to);
      return like(x!, to);
    },
  },
  Slice: {
    domain: '',
    infer: ([x], { axis, start, length }) => {
      const rest = sum(x!.shape[axisOf('Slice', x!, axis)]!, mul(-1, start), mul(-1, length));
      fits(
        [start, length, rest].every((d) => (constant(d) ?? 0) >= 0),
        'Slice',
        x!.shape,
        [start, length],
      );
      return like(x!, x!.shape.with(axis, length));
    },
  },
  Softmax: { domain: '', infer: ([x]) => x! },
  StraightThrough: {
    domain: '',
    infer: ([x, y]) => oneType('StraightThrough', y!, x!),
  },
  Sub: { domain: '', infer: ([a, b]) => like(oneType('Sub', a!, b!), broadcast(a!.shape, b!.shape)) },
  Transpose: {
    domain: '',
    infer: ([x], { perm }) => {
      const axes = [...x!.shape.keys()];
      if (perm.toSorted((a, b) => a - b).join() !== axes.join())
        throw new TypeError(`Transpose: [${perm.join(', ')}] is no order of ${shapeText(x!.shape)}`);
      const shape = perm.map((axis) => x!.shape[axis]!);
      return like(x!, shape);
    },
  },
};

const without = (op: OpName, x: TensorType, axis: number): TensorType =>
  like(x, x.shape.toSpliced(axisOf(op, x, axis), 1));

const like = (x: TensorType, shape: Shape): TensorType => ({ dtype: x.dtype, shape });

/** `first`, having the element type of all others. */
function oneType(op: OpName, first: TensorType, ...others: readonly TensorType[]): TensorType {
  const other = others.find(({ dtype }) => dtype !== first.dtype);
  if (other) throw new TypeError(`${op}: ${first.dtype} does not fit ${other.dtype}`);
  return first;
}

function axisOf(op: OpName, { shape }: TensorType, axis: number): number {
  if (axis in shape) return axis;
  throw new TypeError(`${op}: ${shapeText(shape)} has no axis ${axis}`);
}

function fits(ok: boolean, op: OpName | 'broadcast', a: Shape, b: Shape): void {
  if (!ok) throw new TypeError(`${op}: ${shapeText(a)} does not fit ${shapeText(b)}`);
}

/** NumPy's rule: aligned at the end, a dimension of 1 stretches. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const at = (s: Shape, i: number): Dim => s[i - rank + s.length] ?? dim(1);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [at(a, i), at(b, i)];
    fits(equal(x, y) || constant(x) === 1 || constant(y) === 1, 'broadcast', a, b);
    return constant(x) === 1 ? y : x;
  });
}

const swapLast = (s: Shape, swap: 0 | 1 | undefined): Shape => (swap ? [...s.slice(0, -2), s.at(-1)!, s.at(-2)!] : s);

/** transBatch: the first axis becomes the last but one, [M, b…, K] → [b…, M, K]. */
const batchFirst = (s: Shape, move: 0 | 1 | undefined): Shape => (move ? [...s.slice(1, -1), s[0]!, s.at(-1)!] : s);
