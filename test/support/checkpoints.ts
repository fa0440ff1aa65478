/** Checkpoints for tests: the golden ones, altered copies, and random ones of any architecture. */
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseConfig } from '../../src/checkpoint/config.js';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { expectedShapes } from '../../src/checkpoint/names.js';
import { type AdapterFeeds, type AdapterTensors, adapterFeeds, commonShape } from '../../src/graph/adapter-feeds.js';
import { ADAPTER_OF_ROW, type AdapterShape } from '../../src/graph/adapter-shape.js';
import { batch } from '../../src/graph/batch.js';
import { forward } from '../../src/graph/deberta.js';
import { type Int8Limit, int8Linears } from '../../src/graph/linears.js';
import { compile } from '../../src/graph/onnx.js';
import { weightsOf } from '../../src/graph/weights.js';
import { openSession } from '../../src/runtime/session.js';
import { toFloat32 } from '../../src/tensors/dtype.js';
import { parseTensorFile } from '../../src/tensors/safetensors.js';
import { elements } from './array.js';
import { floats, generator } from './random.js';
import type { RawConfig } from './reference.js';
import { type ElementType, type Tensors, type TestTensor, encode } from './tensor-bytes.js';

export const GOLDEN = ['xsmall-shaped', 'short-buckets'] as const;
export const goldenFolder = (name: (typeof GOLDEN)[number], part = ''): string =>
  path.resolve('test', 'golden', name, part);
export const TINY = path.resolve('models', 'nli-deberta-v3-tiny');

export interface CheckpointFiles {
  readonly config: RawConfig;
  readonly tensors: Tensors;
}

export function readFiles(folder: string): CheckpointFiles {
  const bytes = readFileSync(path.join(folder, 'model.safetensors'));
  const tensors = [...parseTensorFile(bytes).tensors].map(([name, { shape, offset, length, type }]) => {
    return [name, { shape, data: toFloat32(bytes.subarray(offset, offset + length), type) }] as const;
  });
  const config = JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8')) as RawConfig;
  return { config, tensors: new Map(tensors) };
}

/** Writes the files into `folder`, which is given back. */
export async function writeFiles(
  folder: string,
  { config, tensors }: CheckpointFiles,
  type: ElementType = 'F32',
): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  await writeFile(path.join(folder, 'model.safetensors'), encode(tensors, type));
  return folder;
}

/** `tensors` with one of them changed element by element. */
export function altered(tensors: Tensors, name: string, change: (x: number, i: number) => number): Tensors {
  const { shape, data } = tensors.get(name) as TestTensor;
  return new Map([...tensors, [name, { shape, data: data.map(change) }]]);
}

/** Random weights for `config`, large enough that every term of the attention shows. */
export function randomFiles(config: RawConfig, seed = 1): CheckpointFiles {
  const random = generator(seed);
  const shapes = [...expectedShapes(parseConfig(Buffer.from(JSON.stringify(config))))];
  const tensors = shapes.map(([name, shape]) => {
    const centre = name.endsWith('LayerNorm.weight') ? 1 : 0;
    return [name, { shape, data: floats(random, elements(shape), 0.5).map((x) => x + centre) }] as const;
  });
  return { config, tensors: new Map(tensors) };
}

/** The golden configuration of short buckets, small enough for plain loops. */
export const smallConfig = (changes: Readonly<Record<string, unknown>> = {}): RawConfig => ({
  ...readConfig(goldenFolder('short-buckets', 'checkpoint')),
  ...changes,
});

const readConfig = (folder: string): RawConfig =>
  JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8')) as RawConfig;

/** Logits of each row under one graph; `adapters` as a bank when several, row by row then. */
export async function logitsOf(
  checkpoint: Checkpoint,
  rows: readonly Int32Array[],
  adapters: readonly AdapterTensors[] = [],
  { shape, adapterOfRow, int8 }: { shape?: AdapterShape; adapterOfRow?: readonly number[]; int8?: Int8Limit } = {},
): Promise<number[][]> {
  const graph = adapters.length === 0 ? null : (shape ?? commonShape(adapters, adapterOfRow !== undefined));
  const linears = int8 ? { linears: int8Linears(weightsOf(checkpoint), int8) } : {};
  const session = await openSession(compile(forward(checkpoint, graph, linears)), {
    directory: checkpoint.directory,
    threads: 1,
  });
  const { feeds, bindings } = batch(checkpoint.config, rows);
  const adapter: AdapterFeeds = graph ? adapterFeeds(checkpoint.config, adapters, graph) : {};
  const choice = { [ADAPTER_OF_ROW]: { data: Int32Array.from(adapterOfRow ?? []), shape: [rows.length] } };
  const { logits } = await session.run({ ...feeds, ...adapter, ...choice }, { ...bindings, N: adapters.length });
  const labels = checkpoint.config.id2label.length;
  return rows.map((_, i) => [...logits!.subarray(i * labels, (i + 1) * labels)]);
}

/** The same for files that are first written to `folder`. */
export async function logitsOfFiles(
  folder: string,
  files: CheckpointFiles,
  rows: readonly Int32Array[],
  type: ElementType = 'F32',
): Promise<number[][]> {
  return logitsOf(await openCheckpoint(await writeFiles(folder, files, type)), rows);
}

export const readAdapterFiles = async (folder: string): Promise<{ config: Buffer; weights: Buffer }> => ({
  config: await readFile(path.join(folder, 'adapter_config.json')),
  weights: await readFile(path.join(folder, 'adapter_model.safetensors')),
});
