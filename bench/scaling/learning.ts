/** Readiness against the corrections that are stored, and training runs against those they learn from. */
import { Readable } from 'node:stream';
import os from 'node:os';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { RECIPE_DEFAULTS } from '../../src/recipe.js';
import { batchesPerEpoch, epochBatches } from '../../src/training/batches.js';
import { correctionLines } from '../support/correction-lines.js';
import { peakMemory } from '../support/process-tree.js';
import { startServer } from '../support/server.js';
import { mean, quantile, rounded, timed } from '../support/statistics.js';
import { SEED, openSteps, realisticLengths, trainingExamples } from '../support/training.js';
import { type Curve, type Point, curve } from './curve.js';

const REPETITIONS = 3;
const CORRECTIONS = [100, 1000, 10_000, 100_000];
const EPOCHS = 3;
const BATCH = 8;
const SAMPLED_STEPS = 30;

/** Each table size in a service of its own: seconds to import it, and of GET /training-runs/readiness, which splits it. */
export async function readinessAgainstRows(sizes: readonly number[]): Promise<Curve> {
  const points: Point[] = [];
  for (const rows of sizes) {
    const server = await startServer({ ERRATA_INFERENCE_CHILDREN: '1', ERRATA_TRAIN_AFTER: '0' });
    const [importMs] = await timed(() => send(server.url, rows), 1, 0);
    const ready = await timed(() => answered(fetch(`${server.url}/training-runs/readiness`)), REPETITIONS, 0);
    const peak_mb = rounded(peakMemory(server.pid), 0);
    points.push({ rows, import_s: seconds(importMs!), readiness_s: seconds(quantile(ready, 0.5)), peak_mb });
    await server.stop();
  }
  return curve('rows', points);
}

function send(url: string, rows: number): Promise<unknown> {
  const body = Readable.toWeb(Readable.from(correctionLines(rows), { objectMode: false, highWaterMark: 2 ** 16 }));
  const headers = { 'content-type': 'application/x-ndjson' };
  return answered(fetch(`${url}/corrections/import`, { method: 'POST', headers, body, duplex: 'half' } as object));
}

async function answered(response: Promise<Response>): Promise<void> {
  const { status, text } = await response.then(async (one) => ({ status: one.status, text: await one.text() }));
  if (status !== 200) throw new Error(`the service answered ${status}: ${text.slice(0, 200)}`);
}

/** Seconds of runs of 3 epochs in batches of 8 on realistic lengths, from the mean of a sample of their own steps. */
export async function runsAgainstCorrections(checkpoint: Checkpoint): Promise<Curve> {
  const { precision } = RECIPE_DEFAULTS;
  const steps = await openSteps(checkpoint, { children: os.availableParallelism(), threads: 1, precision });
  const plan = { seed: SEED, batchSize: BATCH };
  const points: Point[] = [];
  for (const corrections of CORRECTIONS) {
    const lengths = realisticLengths(corrections);
    const batches = epochBatches(lengths, plan, 0).slice(0, SAMPLED_STEPS);
    let next = 0;
    const step = (): Promise<void> => {
      const batch = batches[next++ % batches.length]!;
      return steps.step(
        trainingExamples(
          batch.map((row) => lengths[row]!),
          checkpoint.config,
        ),
      );
    };
    const perStep = mean(await timed(step, batches.length, 1));
    points.push({
      corrections,
      step_ms: rounded(perStep),
      run_s: seconds(perStep * EPOCHS * batchesPerEpoch(corrections, plan)),
    });
  }
  await steps.close();
  return curve('corrections', points);
}

const seconds = (ms: number): number => rounded(ms / 1000, 2);
