/** The machine's peak, as onnxruntime reaches it: one large float32 matrix product. */
import os from 'node:os';
import { gemm, input } from '../../src/graph/build.js';
import { compile } from '../../src/graph/onnx.js';
import { openSession } from '../../src/runtime/session.js';
import { quantile, timed } from './statistics.js';

const SIZE = 2048;
const REPETITIONS = 9;

/** GFLOPS of a 2048³ Gemm on `threads` threads; the best of several runs is what the machine can do. */
export async function gemmPeak(threads = os.availableParallelism()): Promise<number> {
  const [a, b] = ['a', 'b'].map((name) => input(name, 'float32', [SIZE, SIZE]));
  const session = await openSession(compile({ c: gemm(a!, b!, null) }), { directory: os.tmpdir(), threads });
  const tensor = { data: new Float32Array(SIZE * SIZE).fill(0.5), shape: [SIZE, SIZE] };
  const times = await timed(() => session.run({ a: tensor, b: tensor }, {}), REPETITIONS);
  return (2 * SIZE ** 3) / quantile(times, 0.1) / 1e6;
}
