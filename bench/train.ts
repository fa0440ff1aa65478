/**
 * `npm run -s bench:train -- --json`: training steps on the xsmall shape with LoRA dropout, as two data-parallel children
 * of one thread and as one session of two threads, beside what PEFT took on a machine whose matrix-product peak is known
 * (peers-measured.json), scaled to this one's.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { packageRoot } from '../src/package.js';
import { openGradientPool } from '../src/training/gradient-pool.js';
import { type Example, type MicroResult, oneHot } from '../src/training/micro-batch.js';
import { adamWState, adamWStep, clipNorm } from '../src/training/optimizer.js';
import { initialParameters, lorasOf, parameterLayout } from '../src/training/parameters.js';
import type { TrainingOptions } from '../src/training/session.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { gemmPeak } from './support/gemm.js';
import { idsOf } from './support/pairs.js';
import { peakMemory } from './support/process-tree.js';
import { median, rounded, timed } from './support/statistics.js';

const SHAPES = [
  [8, 64],
  [8, 128],
  [16, 64],
  [32, 64],
] as const;
const REPETITIONS = 9;
const RATE = 2e-4;
const CLIP = 1;

interface Figures {
  readonly ms: Rows;
  readonly sequences_per_second: Rows;
  /** Of the largest child, after 8x64 and after all shapes. */
  readonly peak_rss_mb_8x64: number;
  readonly peak_rss_mb: number;
}

type Rows = Readonly<Record<string, number>>;
type Gradient = (parameters: Float32Array, batch: readonly Example[], step: number) => Promise<MicroResult>;

async function main(): Promise<void> {
  const checkpoint = await openCheckpoint(await benchCheckpoint());
  const peaks = [await gemmPeak()];
  const children = await figures(checkpoint, { children: os.availableParallelism(), threads: 1 });
  peaks.push(await gemmPeak());
  const threads = await figures(checkpoint, { children: 1, threads: os.availableParallelism() });
  peaks.push(await gemmPeak());
  const peak = Math.max(...peaks);
  const report = { machine: machine(peak), children, threads, beside_peft: besidePeft(children.ms, peak) };
  console.log(JSON.stringify(report, null, process.argv.includes('--json') ? undefined : 2));
}

function machine(peak: number): object {
  const date = new Date().toISOString().slice(0, 10);
  const cores = os.availableParallelism();
  return { cpu: os.cpus()[0]?.model, cores, node: process.version, date, gemm_fp32_gflops: rounded(peak) };
}

async function figures(
  checkpoint: Checkpoint,
  { children, threads }: { children: number; threads: number },
): Promise<Figures> {
  const modules = lorasOf(checkpoint.config, ['attention.self.query_proj', 'attention.self.value_proj']);
  const options = { checkpoint, plan: { rank: 8, scale: 2, modules }, dropout: 0.1, seed: 42, threads };
  const pool = await openGradientPool(options, children);
  const ms: Record<string, number> = {};
  const memory: number[] = [];
  for (const [rows, tokens] of SHAPES) {
    ms[`${rows}x${tokens}`] = rounded(await stepMs(options, pool.gradient, rows, tokens));
    memory.push(Math.max(...pool.pids.map(peakMemory)));
  }
  await pool.close();
  return {
    ms,
    sequences_per_second: perSecond(ms),
    peak_rss_mb_8x64: rounded(memory[0]!, 0),
    peak_rss_mb: rounded(memory.at(-1)!, 0),
  };
}

const perSecond = (ms: Rows): Rows =>
  Object.fromEntries(
    SHAPES.map(([rows, tokens]) => [`${rows}x${tokens}`, rounded((1000 * rows) / ms[`${rows}x${tokens}`]!)]),
  );

/** Median milliseconds of a whole step: gradient, clipping, AdamW. */
async function stepMs(
  { checkpoint, plan }: TrainingOptions,
  gradient: Gradient,
  rows: number,
  tokens: number,
): Promise<number> {
  const { config } = checkpoint;
  const labels = config.id2label.length;
  const head = { weight: new Float32Array(labels * config.hiddenSize), bias: new Float32Array(labels) };
  const parameters = initialParameters(parameterLayout(config, plan), head, 42);
  const state = adamWState(parameters.length);
  const batch = Array.from({ length: rows }, (_, i) => ({
    ids: idsOf(tokens, config.vocabSize),
    target: oneHot(i % labels, labels),
  }));
  const step = async (): Promise<void> => {
    const { gradient: slope } = await gradient(parameters, batch, state.step);
    clipNorm(slope, CLIP);
    adamWStep(parameters, slope, state, RATE);
  };
  return median(await timed(step, REPETITIONS));
}

interface Peers {
  readonly gemm_fp32_gflops: { readonly onnxruntime_node_2_threads: number };
  readonly 'peft_0.21': { readonly step_fp32: Rows; readonly step_bf16_autocast: Rows };
}

/** How many times faster; PEFT's milliseconds are scaled by the two machines' peaks. */
function besidePeft(ms: Rows, peak: number): object {
  const peers = JSON.parse(readFileSync(path.join(packageRoot, 'bench', 'peers-measured.json'), 'utf8')) as Peers;
  const scale = peers.gemm_fp32_gflops.onnxruntime_node_2_threads / peak;
  const ratios = (theirs: Rows): Rows =>
    Object.fromEntries(Object.entries(ms).map(([shape, ours]) => [shape, rounded((theirs[shape]! * scale) / ours, 2)]));
  const { step_fp32, step_bf16_autocast } = peers['peft_0.21'];
  return {
    scaled_by: rounded(scale, 3),
    times_faster_than_fp32: ratios(step_fp32),
    times_faster_than_bf16: ratios(step_bf16_autocast),
  };
}

await main();
