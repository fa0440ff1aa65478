/** Runs a graph by onnxruntime itself, with the shapes it gives back. */
import '../../src/runtime/telemetry.js';
import * as ort from 'onnxruntime-node';
import { type Bindings, evaluate } from '../../src/graph/dims.js';
import { compile } from '../../src/graph/onnx.js';
import type { Value } from '../../src/graph/value.js';
import type { NdArray } from './array.js';

const TYPED = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, int8: Int8Array } as const;
export type FeedType = keyof typeof TYPED;

export interface Fed extends NdArray {
  readonly dtype: FeedType;
}

/** The outputs of the graph that ends in `outputs`. */
export async function runGraph(
  outputs: Readonly<Record<string, Value>>,
  feeds: Readonly<Record<string, Fed>>,
  bindings: Bindings = {},
): Promise<Record<string, NdArray>> {
  const graph = compile(outputs);
  const session = await ort.InferenceSession.create(graph.bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const tensors = Object.fromEntries([
    ...graph.inputs.map((name) => [name, tensor(feeds[name]!)]),
    ...graph.dimsFeeds.map(({ name, dims }) => [name, sizes(dims.map((d) => evaluate(d, bindings)))]),
  ]) as Record<string, ort.Tensor>;
  const results = await session.run(tensors);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { dims, data }]) => [name, { dims, data: numbers(data) }]),
  );
}

const tensor = ({ dtype, dims, data }: Fed): ort.Tensor => new ort.Tensor(dtype, TYPED[dtype].from(data), dims);
const sizes = (dims: readonly number[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(dims.map(BigInt)), [dims.length]);
const numbers = (data: ort.Tensor['data']): number[] => Array.from(data as ArrayLike<number | bigint>, Number);
