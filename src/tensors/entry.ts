/** What a safetensors header says, and what is wrong with it. */
import type { FloatType } from './dtype.js';

export interface TensorEntry {
  readonly name: string;
  readonly type: FloatType;
  readonly shape: readonly number[];
  /** Byte offset in the file, and length in bytes. */
  readonly offset: number;
  readonly length: number;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A file that breaks the format: the message says how. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}
