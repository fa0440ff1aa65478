/** The machine's peak, as onnxruntime reaches it: one large matrix product, in float32 and in eight bits. */
import '../../src/runtime/telemetry.js';
import os from 'node:os';
import * as ort from 'onnxruntime-node';
import { gemm, input } from '../../src/graph/build.js';
import { compile } from '../../src/graph/onnx.js';
import { openSession } from '../../src/runtime/session.js';
import { GraphWriter } from '../peers/onnx-writer.js';
import { quantile, timed } from './statistics.js';

const SIZE = 2048;
const REPETITIONS = 9;

export interface Gemm {
  run(): Promise<unknown>;
  /** Operations of a run, in billions: a multiplication and an addition each. */
  readonly gigaOperations: number;
}

/** The product of two float32 matrices of `size` rows and columns. */
export async function openGemm(threads = os.availableParallelism(), size = SIZE): Promise<Gemm> {
  const [a, b] = ['a', 'b'].map((name) => input(name, 'float32', [size, size]));
  const session = await openSession(compile({ c: gemm(a!, b!, null) }), { directory: os.tmpdir(), threads });
  const tensor = { data: new Float32Array(size * size).fill(0.5), shape: [size, size] };
  return { run: () => session.run({ a: tensor, b: tensor }, {}), gigaOperations: (2 * size ** 3) / 1e9 };
}

/** uint8 activations by constant int8 weights: what a quantised Linear comes down to. */
export async function openGemmInt8(threads = os.availableParallelism(), size = SIZE): Promise<Gemm> {
  const graph = new GraphWriter();
  const weight = graph.tensor('b', () => ({ shape: [size, size], data: new Int8Array(size * size).fill(3) }));
  graph.op('MatMulInteger', [graph.input('a', 'uint8', [size, size]), weight], {}, 'c');
  graph.output('c', 'int32', [size, size]);
  const session = await ort.InferenceSession.create(graph.finish(), { intraOpNumThreads: threads });
  const a = new ort.Tensor('uint8', new Uint8Array(size * size).fill(5), [size, size]);
  return { run: () => session.run({ a }), gigaOperations: (2 * size ** 3) / 1e9 };
}

/** Billions of operations a second; the best of several runs is what the machine can do. */
export async function peakOf({ run, gigaOperations }: Gemm): Promise<number> {
  return (1000 * gigaOperations) / quantile(await timed(run, REPETITIONS), 0.1);
}

/** GFLOPS of a 2048³ float32 product on `threads` threads. */
export const gemmPeak = async (threads = os.availableParallelism()): Promise<number> => peakOf(await openGemm(threads));
