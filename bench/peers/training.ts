/** Training steps of Errata at each precision, and beside them PEFT's where this machine has it. */
import os from 'node:os';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { TRAINING_PRECISIONS } from '../../src/recipe.js';
import { batchesPerEpoch, epochBatches } from '../../src/training/batches.js';
import type { Example } from '../../src/training/micro-batch.js';
import { mean, rounded } from '../support/statistics.js';
import { SEED, type Steps, openSteps, realisticLengths, trainingExamples } from '../support/training.js';
import { type Work, interleaved } from './interleave.js';
import type { Peer } from './peer.js';
import type { Times } from './sections.js';

const SHAPES = [
  [8, 64],
  [8, 128],
  [32, 64],
] as const;
const PRECISIONS = ['fp32', 'bf16'] as const;
const CORRECTIONS = 1000;
const EPOCHS = 3;
const BATCH = 8;
const SAMPLED_STEPS = 12;

export async function trainingTimes(checkpoint: Checkpoint, trainer: Peer | undefined, rounds: number) {
  const steps = await openAll(checkpoint);
  const times: Record<string, Times> = {};
  for (const [rows, tokens] of SHAPES) {
    const lengths = Array.from({ length: rows }, () => tokens);
    const batch = trainingExamples(lengths, checkpoint.config);
    times[`${rows}x${tokens}`] = await interleaved(worksOf(steps, trainer, batch, batch), rounds);
  }
  const wholeRun = await wholeRunSeconds(checkpoint, steps, trainer);
  for (const one of Object.values(steps)) await one.close();
  return { times, whole_run_seconds: wholeRun };
}

/** By the names of Errata's contenders. */
type AllSteps = Readonly<Record<string, Steps>>;

async function openAll(checkpoint: Checkpoint): Promise<AllSteps> {
  const steps: Record<string, Steps> = {};
  for (const precision of TRAINING_PRECISIONS)
    steps[`Errata ${precision}`] = await openSteps(checkpoint, {
      children: os.availableParallelism(),
      threads: 1,
      precision,
    });
  return steps;
}

/** `ours` and `theirs` differ where each has its own way to put batches together. */
function worksOf(
  steps: AllSteps,
  trainer: Peer | undefined,
  ours: readonly Example[],
  theirs: readonly Example[],
): Record<string, Work> {
  const rows = theirs.map(({ ids }) => [...ids]);
  const labels = theirs.map(({ target }) => target.indexOf(1));
  const peers = PRECISIONS.map((model) => {
    const work: Work = async () => (await trainer!.ask({ kind: 'train', model, rows, labels })).ms;
    return [`PEFT ${model}`, work] as const;
  });
  const own = Object.entries(steps).map(([name, { step }]) => [name, () => timed(() => step(ours))] as const);
  return Object.fromEntries<Work>([...own, ...(trainer ? peers : [])]);
}

/**
 * Seconds of a run of 1,000 corrections, from the mean of a sample of its steps. Errata puts rows of like length together;
 * PEFT gets them as Trainer does by default, in random order.
 */
async function wholeRunSeconds({ config }: Checkpoint, steps: AllSteps, trainer: Peer | undefined) {
  const lengths = realisticLengths(CORRECTIONS);
  const examples = trainingExamples(lengths, config);
  const plan = { seed: SEED, batchSize: BATCH };
  const ours = epochBatches(lengths, plan, 0);
  const unsorted = epochBatches(
    Array.from(lengths, () => 1),
    plan,
    1,
  );
  const sampled: Record<string, number[]> = {};
  for (let step = 0; step < SAMPLED_STEPS; step++) {
    const [mine, theirs] = [ours[step]!, unsorted[step]!].map((rows) => rows.map((row) => examples[row]!));
    const times = await interleaved(worksOf(steps, trainer, mine!, theirs!), 1, { warmUp: step === 0 ? 1 : 0 });
    for (const [name, [ms]] of Object.entries(times)) (sampled[name] ??= []).push(ms!);
  }
  const all = EPOCHS * batchesPerEpoch(CORRECTIONS, plan);
  return Object.fromEntries(Object.entries(sampled).map(([name, ms]) => [name, rounded((mean(ms) * all) / 1000)]));
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
