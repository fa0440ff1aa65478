/** What this processor's 8-bit products do at their extremes. */
import os from 'node:os';
import { apply, bytes, floats, input } from '../graph/build.js';
import type { Int8Limit } from '../graph/linears.js';
import { compile } from '../graph/onnx.js';
import { openSession } from './session.js';

let limit: Promise<Int8Limit> | undefined;

/** How large the codes of weights may be on this processor. */
export function int8Limit(): Promise<Int8Limit> {
  limit ??= saturates().then((cut) => (cut ? 63 : 127));
  return limit;
}

/** Long enough for the widest vector kernels. */
const INNER = 256;

/**
 * Whether a sum of two products uint8 · int8 is cut to 16 bits, as x86 without VNNI does (vpmaddubsw): weights must then
 * stay within ±63. Found by multiplying the extremes.
 */
async function saturates(): Promise<boolean> {
  const product = apply(
    'MatMulIntegerToFloat',
    [
      input('codes', 'uint8', ['rows', INNER]),
      bytes('int8', filled(127), [INNER, 1]),
      floats([1], []),
      floats([1], [1]),
      bytes('uint8', [0], []),
      bytes('int8', [0], [1]),
    ],
    {},
  );
  const session = await openSession(compile({ product }), { directory: os.tmpdir(), threads: 1 });
  const { product: sums } = await session.run(
    { codes: { data: Uint8Array.from(filled(255)), shape: [1, INNER] } },
    { rows: 1 },
  );
  return sums![0] !== INNER * 255 * 127;
}

const filled = (n: number): number[] => Array.from({ length: INNER }, () => n);
