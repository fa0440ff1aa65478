/** Free functions that make values: `gemm(x, w, b)` reads like the formula it stands for. */
import { type DimLike, dim, shape } from './dims.js';
import { OPERATORS, type OpAttributes, type OpName, type Operator } from './operators.js';
import { type DType, type Node, type Value, type WeightSource, value } from './value.js';

export function apply<K extends OpName>(op: K, inputs: readonly Value[], attributes: OpAttributes[K]): Value {
  const { infer }: Operator<OpAttributes[K]> = OPERATORS[op];
  const type = infer(inputs, attributes);
  const node: Node<K> = Object.freeze({ op, inputs: Object.freeze([...inputs]), attributes, output: type });
  return value(type, { kind: 'node', node: node as unknown as Node });
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

export const ints = (data: readonly number[]): Value =>
  value(
    { dtype: 'int64', shape: shape(data.length) },
    { kind: 'constant', data: new Uint8Array(BigInt64Array.from(data.map(BigInt)).buffer) },
  );

export const add = (a: Value, b: Value): Value => apply('Add', [a, b], {});
export const multiply = (a: Value, b: Value): Value => apply('Mul', [a, b], {});
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : apply('Cast', [x], { to }));
export const gather = (x: Value, indices: Value, axis = 0): Value => apply('Gather', [x, indices], { axis });
export const gelu = (x: Value): Value => apply('Gelu', [x], {});
export const softmax = (x: Value): Value => apply('Softmax', [x], { axis: -1 });
export const transpose = (x: Value, perm: readonly number[]): Value => apply('Transpose', [x], { perm });
export const reduceSum = (x: Value, axis: number): Value => apply('ReduceSum', [x], { axis });
export const reshape = (x: Value, ...to: DimLike[]): Value => apply('Reshape', [x], { to: shape(...to) });

export const slice = (x: Value, axis: number, start: DimLike, length: DimLike): Value =>
  apply('Slice', [x], { axis, start: dim(start), length: dim(length) });

export const layerNorm = (x: Value, gamma: Value, beta: Value, epsilon: number): Value =>
  apply('LayerNormalization', [x, gamma, beta], { axis: -1, epsilon });

/** alpha · op(a) · op(b) (+ c) of matrices. */
export const gemm = (a: Value, b: Value, c: Value | null, attributes: OpAttributes['Gemm'] = {}): Value =>
  apply('Gemm', c ? [a, b, c] : [a, b], attributes);

export const matmul = (a: Value, b: Value, attributes: OpAttributes['FusedMatMul'] = {}): Value =>
  apply('FusedMatMul', [a, b], attributes);
