/** A checkpoint as a folder that transformers.js and Python's onnxruntime open: ONNX files beside config and tokenizer. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { cp, mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { toFloat32 } from '../../src/tensors/dtype.js';
import { type PeerPrecision, hfGraph } from './hf-graph.js';
import type { Read } from './hf-linears.js';

/** By the names that transformers.js looks for. */
export const ONNX_FILES: Readonly<Record<PeerPrecision, string>> = {
  fp32: path.join('onnx', 'model.onnx'),
  q8: path.join('onnx', 'model_quantized.onnx'),
};

/** The folder beside the checkpoint's for ONNX files of that `kind`, which `write` makes once. */
export async function onnxFolder(
  checkpointFolder: string,
  kind: 'stand-in' | 'exported',
  write: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = `${checkpointFolder}-${kind}`;
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(path.join(unfinished, 'onnx'), { recursive: true });
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    await cp(path.join(checkpointFolder, file), path.join(unfinished, file));
  await write(unfinished);
  await rename(unfinished, folder);
  return folder;
}

export async function writeStandIn(checkpoint: Checkpoint, folder: string): Promise<void> {
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
