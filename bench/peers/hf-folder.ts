/** A checkpoint as a folder that transformers.js and Python's onnxruntime open: ONNX files beside config and tokenizer. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { cp, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { toFloat32 } from '../../src/tensors/dtype.js';
import { type PeerPrecision, hfGraph } from './hf-graph.js';
import type { Read } from './hf-linears.js';

/** By the names that transformers.js looks for. */
export const ONNX_FILES: Readonly<Record<PeerPrecision, string>> = {
  fp32: path.join('onnx', 'model.onnx'),
  q8: path.join('onnx', 'model_quantized.onnx'),
};

/** The folder beside `checkpoint` that holds its stand-in, made once. */
export async function standInFolder(checkpointFolder: string): Promise<string> {
  const folder = `${checkpointFolder}-stand-in`;
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await writeStandIn(checkpointFolder, unfinished);
  await rename(unfinished, folder);
  return folder;
}

export async function writeStandIn(checkpointFolder: string, folder: string): Promise<void> {
  const checkpoint = await openCheckpoint(checkpointFolder);
  await mkdir(path.join(folder, 'onnx'), { recursive: true });
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    if (existsSync(path.join(checkpointFolder, file)))
      await cp(path.join(checkpointFolder, file), path.join(folder, file));
  for (const [precision, file] of Object.entries(ONNX_FILES) as [PeerPrecision, string][])
    await writeFile(path.join(folder, file), graphOf(checkpoint, precision));
}

export function graphOf(checkpoint: Checkpoint, precision: PeerPrecision): Uint8Array {
  const { directory, weightsFile, weights, config } = checkpoint;
  const file = openSync(path.join(directory, weightsFile), 'r');
  const read: Read = (name) => {
    const { shape, type, offset, length } = weights.get(name)!;
    const bytes = new Uint8Array(length);
    readSync(file, bytes, 0, length, offset);
    return { shape, data: toFloat32(bytes, type) };
  };
  try {
    return hfGraph(config, read, precision);
  } finally {
    closeSync(file);
  }
}
