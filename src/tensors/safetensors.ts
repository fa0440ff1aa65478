/**
 * A reader and a writer of safetensors (https://huggingface.co/docs/safetensors, "Format"), stricter than the reference:
 * the tensors must fill the file without hole, overlap or rest, and only the float types of checkpoints are read.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { BYTES } from './dtype.js';
import { SafetensorsError, type TensorFile } from './entry.js';
import { parseHeader } from './header.js';

export { SafetensorsError, type TensorEntry, type TensorFile } from './entry.js';

export interface HeaderLimits {
  /** Largest header read, in bytes. */
  readonly maxHeader: number;
}

const LENGTH_BYTES = 8;
export const CHECKPOINT_LIMITS: HeaderLimits = { maxHeader: 16 * 1024 * 1024 };
export const ADAPTER_LIMITS: HeaderLimits = { maxHeader: 1024 * 1024 };

/** The header of `file`; its data are not read. Throws SafetensorsError, or the file system's error. */
export async function readTensorFile(file: string, limits = CHECKPOINT_LIMITS): Promise<TensorFile> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const prefix = await readExactly(handle, 0, Math.min(LENGTH_BYTES, size));
    const length = headerLength(prefix, size, limits);
    return parseHeader(await readExactly(handle, LENGTH_BYTES, length), size);
  } finally {
    await handle.close();
  }
}

/** The same from a whole file in memory. */
export function parseTensorFile(bytes: Uint8Array, limits = CHECKPOINT_LIMITS): TensorFile {
  const length = headerLength(bytes.subarray(0, LENGTH_BYTES), bytes.length, limits);
  return parseHeader(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length), bytes.length);
}

function headerLength(prefix: Uint8Array, size: number, limits: HeaderLimits): number {
  if (prefix.length < LENGTH_BYTES) throw new SafetensorsError('the file is shorter than its 8-byte header length');
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > BigInt(limits.maxHeader)) {
    throw new SafetensorsError(`the header is said to have ${length} bytes; at most ${limits.maxHeader} are read`);
  }
  if (length > BigInt(size - LENGTH_BYTES)) throw new SafetensorsError('the header is longer than the file');
  return Number(length);
}

async function readExactly(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  const { bytesRead } = await handle.read(buffer, 0, length, offset);
  if (bytesRead !== length) throw new SafetensorsError('the file ends inside its header');
  return buffer;
}

export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A safetensors file of float32 tensors, in the order given, with metadata `{"format":"pt"}` as PEFT writes it. */
export function writeTensors(tensors: readonly NamedTensor[]): Uint8Array {
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const offsets = [end, (end += data.byteLength)];
    return [name, { dtype: 'F32', shape, data_offsets: offsets }] as const;
  });
  const json = new TextEncoder().encode(
    JSON.stringify(Object.fromEntries([['__metadata__', { format: 'pt' }], ...entries])),
  );
  const padding = (BYTES.F32 * 2 - (json.length % 8)) % 8;
  const file = new Uint8Array(LENGTH_BYTES + json.length + padding + end).fill(0x20);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length + padding), true);
  file.set(json, LENGTH_BYTES);
  tensors.reduce(
    (offset, { data }) => {
      file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
      return offset + data.byteLength;
    },
    LENGTH_BYTES + json.length + padding,
  );
  return file;
}
