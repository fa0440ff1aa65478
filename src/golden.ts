/**
 * The golden check: logits of a checkpoint folder, with and without its adapter, loss, gradients and a run of training
 * steps, against references made with transformers and PEFT. `<directory>/` holds checkpoint/, adapter/, reference.json
 * and, for the last of these, adapter-after-trajectory/.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Adapter, parseAdapter } from '../adapters/format.js';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import {
  type GoldenGradient,
  type GoldenTrajectory,
  goldenGradient,
  goldenTrajectory,
  openGolden,
  rowsOf,
} from './golden-training.js';
import { type AdapterFeeds, adapterFeeds, commonShape } from './graph/adapter-feeds.js';
import type { AdapterShape } from './graph/adapter-shape.js';
import { batch } from './graph/batch.js';
import { forward } from './graph/deberta.js';
import { compile } from './graph/onnx.js';
import { openSession } from './runtime/session.js';

/**
 * The largest differences found: absolute, but for `gradient`, which is relative to the largest value of its tensor. A
 * key is absent where the folder holds no reference for it.
 */
export interface GoldenReport {
  logits: number;
  adapter_logits?: number;
  loss?: number;
  gradient?: number;
  trajectory_loss?: number;
  final_adapter?: number;
}

export const GOLDEN_LIMITS: Readonly<Record<keyof GoldenReport, number>> = {
  logits: 1e-4,
  adapter_logits: 1e-4,
  loss: 1e-4,
  gradient: 1e-4,
  trajectory_loss: 1e-3,
  final_adapter: 1e-3,
};

interface GoldenCase {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly logits: number[][];
  readonly adapter_logits?: number[][];
}

interface Reference {
  readonly cases: readonly GoldenCase[];
  readonly gradient?: GoldenGradient;
  readonly trajectory?: GoldenTrajectory;
}

export async function golden(directory: string): Promise<GoldenReport> {
  const reference = JSON.parse(await readFile(path.join(directory, 'reference.json'), 'utf8')) as Reference;
  if (reference.cases.length === 0) throw new Error(`${path.join(directory, 'reference.json')} has no cases`);
  const checkpoint = await openCheckpoint(path.join(directory, 'checkpoint'));
  const logits = await worst(checkpoint, null, {}, reference.cases, (c) => c.logits);
  if (!needsAdapter(reference)) return { logits };
  const adapter = await readAdapter(checkpoint, path.join(directory, 'adapter'));
  if (!adapter) throw new Error(`${path.join(directory, 'adapter')} is missing, but reference.json tells its answers`);
  const after = await readAdapter(checkpoint, path.join(directory, 'adapter-after-trajectory'));
  return {
    logits,
    ...(await adapterLogits(checkpoint, adapter, reference)),
    ...(await training(checkpoint, adapter, after, reference)),
  };
}

/** NaN is beyond every limit. */
export const withinLimits = (report: GoldenReport): boolean =>
  Object.entries(report).every(([key, difference]) => difference <= GOLDEN_LIMITS[key as keyof GoldenReport]);

const needsAdapter = ({ cases, gradient, trajectory }: Reference): boolean =>
  gradient !== undefined || trajectory !== undefined || cases.some((c) => c.adapter_logits);

async function readAdapter({ config }: Checkpoint, folder: string): Promise<Adapter | null> {
  if (!existsSync(folder)) return null;
  const files = ['adapter_config.json', 'adapter_model.safetensors'].map((name) => readFile(path.join(folder, name)));
  const [configBytes, weightBytes] = await Promise.all(files);
  return parseAdapter(configBytes!, weightBytes!, config);
}

async function adapterLogits(
  checkpoint: Checkpoint,
  adapter: Adapter,
  { cases }: Reference,
): Promise<Partial<GoldenReport>> {
  if (!cases.some((c) => c.adapter_logits)) return {};
  const shape = commonShape([adapter], false);
  const feeds = adapterFeeds(checkpoint.config, [adapter], shape);
  return { adapter_logits: await worst(checkpoint, shape, feeds, cases, (c) => c.adapter_logits ?? []) };
}

async function training(
  checkpoint: Checkpoint,
  adapter: Adapter,
  after: Adapter | null,
  { gradient, trajectory }: Reference,
): Promise<Partial<GoldenReport>> {
  if (!gradient && !trajectory) return {};
  const session = await openGolden(checkpoint, adapter);
  return {
    ...(gradient && (await goldenGradient(session, adapter, gradient))),
    ...(trajectory && (await goldenTrajectory(session, adapter, trajectory, after))),
  };
}

async function worst(
  checkpoint: Checkpoint,
  shape: AdapterShape | null,
  adapter: AdapterFeeds,
  cases: readonly GoldenCase[],
  expected: (c: GoldenCase) => number[][],
): Promise<number> {
  const session = await openSession(compile(forward(checkpoint, shape)), {
    directory: checkpoint.directory,
    threads: 1,
  });
  let largest = 0;
  for (const c of cases) {
    const { feeds, bindings } = batch(checkpoint.config, rowsOf(c));
    const { logits } = await session.run({ ...feeds, ...adapter }, bindings);
    largest = Math.max(
      largest,
      ...expected(c)
        .flat()
        .map((x, i) => Math.abs(x - logits![i]!)),
    );
  }
  return largest;
}
