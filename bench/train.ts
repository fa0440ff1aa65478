/**
 * `npm run -s bench:train -- --json`: training steps on the xsmall shape with LoRA dropout, as one data-parallel child of
 * one thread for every core and as one session with all threads, and whole runs on realistic lengths; how much of the
 * machine's matrix-product peak a step reaches. Last what one pair of 64 tokens takes to be answered while a run goes on;
 * `--beside`: only that. Peers: bench/peers.ts.
 */
import os from 'node:os';
import { type Checkpoint, type DebertaConfig, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { TRAINING_PRECISIONS, type TrainingPrecision } from '../src/recipe.js';
import { batchesPerEpoch, epochBatches } from '../src/training/batches.js';
import { inferenceBesideTraining } from './support/beside.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { gemmPeak } from './support/gemm.js';
import { machine } from './support/machine.js';
import { peakMemory } from './support/process-tree.js';
import { median, rounded, timed } from './support/statistics.js';
import {
  type Processes,
  SEED,
  type Steps,
  openSteps,
  realisticLengths,
  stepOperations,
  trainingExamples,
} from './support/training.js';

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
  const by_precision: Partial<Record<TrainingPrecision, Figures & { whole_run: object }>> = {};
  for (const precision of TRAINING_PRECISIONS) {
    const children = await measure(checkpoint, { children: cores, threads: 1, precision }, figures);
    const whole_run = await measure(checkpoint, { children: cores, threads: 1, precision }, wholeRuns);
    peaks.push(await gemmPeak());
    by_precision[precision] = { ...children, whole_run };
  }
  const threads = await measure(checkpoint, { children: 1, threads: cores }, figures);
  const upper = await measure(checkpoint, { children: cores, threads: 1, upperHalf: true }, figures);
  const peak = Math.max(...peaks);
  print({
    machine: { ...machine(), gemm_fp32_gflops: rounded(peak) },
    by_precision,
    float32_share_of_gemm_peak: sharesOfPeak(checkpoint, by_precision.float32!.ms, peak),
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

/** Operations of a step's matrix products in the time it takes, of those that one large product does in that time. */
function sharesOfPeak(checkpoint: Checkpoint, ms: Rows, peak: number): Rows {
  const share = ([B, L]: (typeof SHAPES)[number]): number =>
    stepOperations(checkpoint, { B, L }) / 1e6 / (ms[`${B}x${L}`]! * peak);
  return Object.fromEntries(SHAPES.map((shape) => [shape.join('x'), rounded(share(shape), 2)]));
}

await main();
