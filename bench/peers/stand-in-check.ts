/**
 * Is the stand-in as fast as the exporter's file? That was measured once, on another machine (peers-measured.json). Time by
 * peak is a number of operations, which two machines can be compared by.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../src/package.js';
import { rounded } from '../support/statistics.js';
import type { Compared } from './compared.js';

interface Measured {
  readonly gemm_fp32_gflops: { readonly onnxruntime_node_2_threads_best_seen: number };
  readonly 'transformers_js_4.3': Readonly<Record<'fp32' | 'q8', Readonly<Record<'8x64', number>>>>;
}

/** Below 1: less is computed than in the exporter's file, in favour of the peer. */
export function standInCheck({ ms }: Compared, peak: number): Record<string, number> {
  const file = path.join(packageRoot, 'bench', 'peers-measured.json');
  const { gemm_fp32_gflops: gemm, 'transformers_js_4.3': there } = JSON.parse(readFileSync(file, 'utf8')) as Measured;
  const scale = peak / gemm.onnxruntime_node_2_threads_best_seen;
  return Object.fromEntries(
    (['fp32', 'q8'] as const).flatMap((model) => {
      const here = ms[`transformers.js ${model}`];
      return here ? [[model, rounded((here.median * scale) / there[model]['8x64'], 2)]] : [];
    }),
  );
}
