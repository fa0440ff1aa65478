/**
 * The golden check: logits of a checkpoint folder, with and without its adapter, against references made with
 * transformers and PEFT. `<directory>/` holds checkpoint/, adapter/ and reference.json.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseAdapter } from '../adapters/format.js';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import { type AdapterFeeds, adapterFeeds, commonShape } from './graph/adapter-feeds.js';
import type { AdapterShape } from './graph/adapter-shape.js';
import { batch } from './graph/batch.js';
import { forward } from './graph/deberta.js';
import { compile } from './graph/onnx.js';
import { openSession } from './runtime/session.js';

/** The largest absolute differences found; a key is absent where the folder holds no reference for it. */
export interface GoldenReport {
  logits: number;
  adapter_logits?: number;
}

export const GOLDEN_LIMITS: Readonly<Record<keyof GoldenReport, number>> = { logits: 1e-4, adapter_logits: 1e-4 };

interface GoldenCase {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  readonly logits: number[][];
  readonly adapter_logits?: number[][];
}

export async function golden(directory: string): Promise<GoldenReport> {
  const { cases } = JSON.parse(await readFile(path.join(directory, 'reference.json'), 'utf8')) as {
    cases: GoldenCase[];
  };
  if (cases.length === 0) throw new Error(`${path.join(directory, 'reference.json')} has no cases`);
  const checkpoint = await openCheckpoint(path.join(directory, 'checkpoint'));
  const logits = await worst(checkpoint, null, {}, cases, (c) => c.logits);
  if (!cases.some((c) => c.adapter_logits)) return { logits };
  const { shape, feeds } = await readAdapter(checkpoint, path.join(directory, 'adapter'));
  return { logits, adapter_logits: await worst(checkpoint, shape, feeds, cases, (c) => c.adapter_logits ?? []) };
}

/** NaN is beyond every limit. */
export const withinLimits = (report: GoldenReport): boolean =>
  Object.entries(report).every(([key, difference]) => difference <= GOLDEN_LIMITS[key as keyof GoldenReport]);

async function readAdapter(
  checkpoint: Checkpoint,
  folder: string,
): Promise<{ shape: AdapterShape; feeds: AdapterFeeds }> {
  const [config, weights] = await Promise.all(
    ['adapter_config.json', 'adapter_model.safetensors'].map((name) => readFile(path.join(folder, name))),
  );
  const adapter = parseAdapter(config!, weights!, checkpoint.config);
  const shape = commonShape([adapter], false);
  return { shape, feeds: adapterFeeds(checkpoint.config, [adapter], shape) };
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

const rowsOf = ({ input_ids, attention_mask }: GoldenCase): Int32Array[] =>
  input_ids.map((ids, row) => Int32Array.from(ids.filter((_, i) => attention_mask[row]![i] === 1)));
