/** Graphs as frozen records: a value knows what makes it, so a graph is nothing but its outputs. */
import type { Shape } from './dims.js';
import type { OpAttributes, OpName } from './operators.js';

export type DType = 'float32' | 'float16' | 'bfloat16' | 'uint8' | 'int8' | 'int32' | 'int64';

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Fed at every run. */
export interface InputSource {
  readonly kind: 'input';
  readonly name: string;
}

/** Bytes of a file that stays where it is (ONNX external data). */
export interface WeightSource {
  readonly kind: 'weight';
  readonly name: string;
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** Bytes inside the graph, little-endian. */
export interface ConstantSource {
  readonly kind: 'constant';
  readonly data: Uint8Array;
}

/** An int64 vector of dimensions, evaluated on the host from the sizes of each batch and fed. */
export interface DimsSource {
  readonly kind: 'dims';
  readonly dims: Shape;
}

export interface NodeSource {
  readonly kind: 'node';
  readonly node: Node;
  /** Which of the node's outputs. */
  readonly output: number;
}

export type Source = InputSource | WeightSource | ConstantSource | DimsSource | NodeSource;

export interface Value extends TensorType {
  readonly source: Source;
}

export interface Node<K extends OpName = OpName> {
  readonly op: K;
  readonly inputs: readonly Value[];
  readonly attributes: OpAttributes[K];
  readonly outputs: readonly TensorType[];
}

export const value = (type: TensorType, source: Source): Value =>
  Object.freeze({ dtype: type.dtype, shape: type.shape, source: Object.freeze(source) });

/** Whether `node` applies `op`; then its attributes have that operator's type. */
export const isNode = <K extends OpName>(node: Node, op: K): node is Node & Node<K> => node.op === op;
