/** The base model's own head, as numbers: what a new adapter's head starts from. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import { toFloat32 } from '../tensors/dtype.js';
import { type Checkpoint, readUnchanged } from './checkpoint.js';
import { CLASSIFIER } from './names.js';

export interface Head {
  /** [labels, hidden], row-major. */
  readonly weight: Float32Array;
  /** [labels] */
  readonly bias: Float32Array;
}

/** Reads only the head's bytes of the weights file. Throws CheckpointError when that has changed. */
export function readHead(checkpoint: Checkpoint): Promise<Head> {
  return readUnchanged(checkpoint, () => headOf(checkpoint));
}

async function headOf({ directory, weightsFile, weights }: Checkpoint): Promise<Head> {
  const handle = await open(path.join(directory, weightsFile));
  const tensor = async (name: string): Promise<Float32Array> => {
    const entry = weights.get(name);
    if (!entry) throw new Error(`tensor ${name} is missing`);
    const bytes = new Uint8Array(entry.length);
    await handle.read(bytes, 0, entry.length, entry.offset);
    return toFloat32(bytes, entry.type);
  };
  try {
    return { weight: await tensor(`${CLASSIFIER}.weight`), bias: await tensor(`${CLASSIFIER}.bias`) };
  } finally {
    await handle.close();
  }
}
