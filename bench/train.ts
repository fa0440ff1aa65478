/**
 * `npm run -s bench:train -- --json`: training steps on the xsmall shape with LoRA dropout, as one data-parallel child of
 * one thread for every core and as one session with all threads, and whole runs on realistic lengths; beside what PEFT took
 * on a machine whose matrix-product peak is known (peers-measured.json), scaled to this one's. Last what one pair of 64
 * tokens takes to be answered while a run goes on; `--beside`: only that.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Checkpoint, type DebertaConfig, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { packageRoot } from '../src/package.js';
import { TRAINING_PRECISIONS, type TrainingPrecision } from '../src/recipe.js';
import { batchesPerEpoch, epochBatches } from '../src/training/batches.js';
import { inferenceBesideTraining } from './support/beside.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { gemmPeak } from './support/gemm.js';
import { machine } from './support/machine.js';
import { peakMemory } from './support/process-tree.js';
import { median, rounded, timed } from './support/statistics.js';
import { type Processes, SEED, type Steps, openSteps, realisticLengths, trainingExamples } from './support/training.js';

const SHAPES = [
  [8, 64],
  [8, 128],
  [16, 64],
  [32, 64],
] as const;
const REPETITIONS = 9;
const SAMPLED_STEPS = 30;
const EPOCHS = 3;

interface Figures {
  readonly ms: Rows;
  readonly sequences_per_second: Rows;
  /** Of the largest child, after 8x64 and after all shapes. */
  readonly peak_rss_mb_8x64: number;
  readonly peak_rss_mb: number;
}

type Rows = Readonly<Record<string, number>>;

async function main(): Promise<void> {
  const folder = await benchCheckpoint();
  if (process.argv.includes('--beside')) return print({ inference: await inferenceBesideTraining(folder) });
  const checkpoint = await openCheckpoint(folder);
  const cores = os.availableParallelism();
  const peaks = [await gemmPeak()];
  const by_precision: Partial<Record<TrainingPrecision, object>> = {};
  for (const precision of TRAINING_PRECISIONS) {
    const children = await measure(checkpoint, { children: cores, threads: 1, precision }, figures);
    const whole_run = await measure(checkpoint, { children: cores, threads: 1, precision }, wholeRuns);
    peaks.push(await gemmPeak());
    by_precision[precision] = { ...children, whole_run, beside_peft: besidePeft(children.ms, Math.max(...peaks)) };
  }
  const threads = await measure(checkpoint, { children: 1, threads: cores }, figures);
  const upper = await measure(checkpoint, { children: cores, threads: 1, upperHalf: true }, figures);
  print({
    machine: { ...machine(), gemm_fp32_gflops: rounded(Math.max(...peaks)) },
    by_precision,
    threads,
    upper_half_of_the_layers: upper,
    inference: await inferenceBesideTraining(folder),
  });
}

const print = (report: object): void =>
  console.log(JSON.stringify(report, null, process.argv.includes('--json') ? undefined : 2));

async function measure<T>(
  checkpoint: Checkpoint,
  processes: Processes,
  of: (steps: Steps, config: DebertaConfig) => Promise<T>,
): Promise<T> {
  const steps = await openSteps(checkpoint, processes);
  const result = await of(steps, checkpoint.config);
  await steps.close();
  return result;
}

async function figures({ step, pids }: Steps, config: DebertaConfig): Promise<Figures> {
  const ms: Record<string, number> = {};
  const memory: number[] = [];
  for (const [rows, tokens] of SHAPES) {
    const lengths = Array.from({ length: rows }, () => tokens);
    const batch = trainingExamples(lengths, config);
    ms[`${rows}x${tokens}`] = rounded(median(await timed(() => step(batch), REPETITIONS)));
    memory.push(Math.max(...pids.map(peakMemory)));
  }
  const [first, last] = [memory[0]!, memory.at(-1)!].map((mb) => rounded(mb, 0)) as [number, number];
  return { ms, sequences_per_second: perSecond(ms), peak_rss_mb_8x64: first, peak_rss_mb: last };
}

/** Seconds of runs of 3 epochs in batches of 8, from the mean of a sample of their own batches. */
async function wholeRuns({ step }: Steps, config: DebertaConfig): Promise<object> {
  const seconds: Record<string, number> = {};
  const plan = { seed: SEED, batchSize: 8 };
  for (const corrections of [100, 1000, 10_000]) {
    const rows = trainingExamples(realisticLengths(corrections), config);
    const lengths = rows.map(({ ids }) => ids.length);
    const batches = epochBatches(lengths, plan, 0).slice(0, SAMPLED_STEPS);
    let next = 0;
    const times = await timed(
      () => step(batches[next++ % batches.length]!.map((row) => rows[row]!)),
      batches.length,
      1,
    );
    const mean = times.reduce((sum, t) => sum + t, 0) / times.length;
    seconds[corrections] = rounded((mean / 1000) * EPOCHS * batchesPerEpoch(corrections, plan));
  }
  return { epochs: EPOCHS, batch_size: plan.batchSize, sampled_steps: SAMPLED_STEPS, seconds_by_corrections: seconds };
}

const perSecond = (ms: Rows): Rows =>
  Object.fromEntries(
    SHAPES.map(([rows, tokens]) => [`${rows}x${tokens}`, rounded((1000 * rows) / ms[`${rows}x${tokens}`]!)]),
  );

interface Peers {
  readonly gemm_fp32_gflops: { readonly onnxruntime_node_2_threads_best_seen: number };
  readonly 'peft_0.21': { readonly step_fp32: Rows; readonly step_bf16_autocast: Rows };
}

/** How many times faster; PEFT's milliseconds are scaled by the two machines' peaks. */
function besidePeft(ms: Rows, peak: number): object {
  const peers = JSON.parse(readFileSync(path.join(packageRoot, 'bench', 'peers-measured.json'), 'utf8')) as Peers;
  const scale = peers.gemm_fp32_gflops.onnxruntime_node_2_threads_best_seen / peak;
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
