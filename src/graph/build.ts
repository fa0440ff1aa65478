/** Free functions that make values: `gemm(x, w, b)` reads like the formula it stands for. */
import { type DimLike, type Shape, constant, dim, sameShape, shape } from './dims.js';
import { OPERATORS, type OpAttributes, type OpName, type Operator, type Slope } from './operators.js';
import { type DType, type Node, type Value, type WeightSource, value } from './value.js';

export const apply = <K extends OpName>(op: K, inputs: readonly Value[], attributes: OpAttributes[K]): Value =>
  applyAll(op, inputs, attributes)[0]!;

/** All outputs of a node that has several. */
function applyAll<K extends OpName>(op: K, inputs: readonly Value[], attributes: OpAttributes[K]): Value[] {
  const { infer, inferRest }: Operator<OpAttributes[K]> = OPERATORS[op];
  const outputs = [infer(inputs, attributes), ...(inferRest?.(inputs, attributes) ?? [])];
  const node: Node<K> = Object.freeze({
    op,
    inputs: Object.freeze([...inputs]),
    attributes,
    outputs: Object.freeze(outputs),
  });
  return outputs.map((type, output) => value(type, { kind: 'node', node: node as unknown as Node, output }));
}

export const input = (name: string, dtype: DType, dims: readonly DimLike[]): Value =>
  value({ dtype, shape: shape(...dims) }, { kind: 'input', name });

export const weight = (source: Omit<WeightSource, 'kind'>, dtype: DType, dims: readonly number[]): Value =>
  value({ dtype, shape: shape(...dims) }, { kind: 'weight', ...source });

export const floats = (data: readonly number[], dims: readonly number[]): Value =>
  value(
    { dtype: 'float32', shape: shape(...dims) },
    { kind: 'constant', data: new Uint8Array(Float32Array.from(data).buffer) },
  );

/** A constant of bytes: int8 (two's complement) or uint8. */
export const bytes = (dtype: 'int8' | 'uint8', data: readonly number[], dims: readonly number[]): Value =>
  value({ dtype, shape: shape(...dims) }, { kind: 'constant', data: Uint8Array.from(data) });

export const ints = (data: readonly number[]): Value =>
  value(
    { dtype: 'int64', shape: shape(data.length) },
    { kind: 'constant', data: new Uint8Array(BigInt64Array.from(data.map(BigInt)).buffer) },
  );

export const add = (a: Value, b: Value): Value => apply('Add', [a, b], {});
export const subtract = (a: Value, b: Value): Value => apply('Sub', [a, b], {});
export const multiply = (a: Value, b: Value): Value => apply('Mul', [a, b], {});
/** The larger of each two elements. */
export const larger = (a: Value, b: Value): Value => apply('Max', [a, b], {});
export const reduceMax = (x: Value, axis: number): Value => apply('ReduceMax', [x], { axes: [axis], keepdims: 0 });
export const reduceMin = (x: Value, axis: number): Value => apply('ReduceMin', [x], { axes: [axis], keepdims: 0 });
/** Each row of x as codes: round(x / scale) + zero, scale and zero [rows]. */
export const quantize = (x: Value, scale: Value, zero: Value): Value =>
  apply('QuantizeLinear', [x, scale, zero], { axis: 0 });
/** y, differentiated as a function of x by `slope`. */
export const straightThrough = (x: Value, y: Value, slope: Slope): Value => apply('StraightThrough', [x, y], { slope });
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : apply('Cast', [x], { to }));
export const gather = (x: Value, indices: Value, axis = 0): Value => apply('Gather', [x, indices], { axis });
export const gelu = (x: Value): Value => apply('Gelu', [x], {});
export const erf = (x: Value): Value => apply('Erf', [x], {});
export const exp = (x: Value): Value => apply('Exp', [x], {});
export const expand = (x: Value, to: Shape): Value => apply('Expand', [x], { to });
export const logSoftmax = (x: Value): Value => apply('LogSoftmax', [x], { axis: -1 });
export const softmax = (x: Value): Value => apply('Softmax', [x], { axis: -1 });
export const transpose = (x: Value, perm: readonly number[]): Value => apply('Transpose', [x], { perm });
export const reduceSum = (x: Value, axis: number): Value => apply('ReduceSum', [x], { axis });
/** The sum over an axis that stays, with a length of 1. */
export const keptSum = (x: Value, axis: number): Value => apply('ReduceSum', [x], { axis, keepdims: 1 });
/** A reshaped tensor is reshaped from what it was before. */
export function reshape(x: Value, ...to: DimLike[]): Value {
  const { source } = x;
  const from = source.kind === 'node' && source.node.op === 'Reshape' ? source.node.inputs[0]! : x;
  return sameShape(from.shape, shape(...to)) ? from : apply('Reshape', [from], { to: shape(...to) });
}

export const slice = (x: Value, axis: number, start: DimLike, length: DimLike): Value =>
  apply('Slice', [x], { axis, start: dim(start), length: dim(length) });

/** Zeros around `x` on one axis. */
export const pad = (x: Value, axis: number, before: DimLike, after: DimLike): Value =>
  apply('Pad', [x], { axis, before: dim(before), after: dim(after) });

/** x scaled by a number. */
export const times = (x: Value, factor: number): Value => multiply(x, floats([factor], []));

export const layerNorm = (x: Value, gamma: Value, beta: Value, epsilon: number): Value =>
  apply('LayerNormalization', [x, gamma, beta], { axis: -1, epsilon });

/** Rows of x with mean 0 and variance 1, and the factor [rows, 1] that made their variance 1. */
export function standardised(x: Value, epsilon: number): { standard: Value; inverseDeviation: Value } {
  const width = constant(x.shape.at(-1)!)!;
  const affine = [1, 0].map((n) =>
    floats(
      Array.from({ length: width }, () => n),
      [width],
    ),
  );
  const [standard, , inverseDeviation] = applyAll('LayerNormalization', [x, ...affine], {
    axis: -1,
    epsilon,
    statistics: 1,
  });
  return { standard: standard!, inverseDeviation: inverseDeviation! };
}

/** alpha · op(a) · op(b) (+ c) of matrices. */
export const gemm = (a: Value, b: Value, c: Value | null, attributes: OpAttributes['Gemm'] = {}): Value =>
  apply('Gemm', c ? [a, b, c] : [a, b], attributes);

export const matmul = (a: Value, b: Value, attributes: OpAttributes['FusedMatMul'] = {}): Value =>
  apply('FusedMatMul', [a, b], attributes);
