/** The one door of src/checkpoint: a model folder, checked, with the place of every weight in its file. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { type TensorEntry, readTensorFile } from '../tensors/safetensors.js';
import { CheckpointError, type DebertaConfig, parseConfig } from './config.js';
import { expectedShapes } from './names.js';
import { fileStamp, sha256File } from '../files.js';

export { CheckpointError, type DebertaConfig } from './config.js';

export interface Checkpoint {
  /** The folder that holds the weights, symbolic links resolved. */
  readonly directory: string;
  readonly config: DebertaConfig;
  /** File name of the weights inside `directory`, and its tensors by name. */
  readonly weightsFile: string;
  readonly weights: ReadonlyMap<string, TensorEntry>;
  /** What the file system said of the weights file when `files` was made; see `readUnchanged`. */
  readonly weightsStamp: string;
  /** SHA-256 of each file that decides the answers, in hex, by its name. */
  readonly files: Readonly<Record<string, string>>;
  /** SHA-256 over `files`: the identity of the base model. */
  readonly digest: string;
}

const CONFIG = 'config.json';
const WEIGHTS = 'model.safetensors';
const TOKENIZER = ['tokenizer.json', 'tokenizer_config.json'];

/** Reads and checks the folder. Throws CheckpointError naming the file, the key or the tensor that does not fit. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const config = configOf(folder, await fileOf(folder, CONFIG, (file) => readFile(file)));
  const weightsPath = await fileOf(folder, WEIGHTS, (file) => realpath(file));
  const place = { directory: path.dirname(weightsPath), weightsFile: path.basename(weightsPath) };
  const weightsStamp = await fileStamp(weightsPath);
  return readUnchanged({ ...place, weightsStamp }, async () => {
    const weights = await tensorsOf(weightsPath, config);
    const files = await fileDigests(folder);
    const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex');
    return { ...place, config, weights, weightsStamp, files, digest };
  });
}

/**
 * What `read` makes of the weights file, which must be the one whose digest the checkpoint tells: whoever replaces it
 * under a running service would have other weights answer under that digest.
 * Throws CheckpointError when the file has changed, before `read` or while it ran.
 */
export async function readUnchanged<T>(weights: WeightsFile, read: () => Promise<T>): Promise<T> {
  await refuseChanged(weights);
  const value = await read();
  await refuseChanged(weights);
  return value;
}

type WeightsFile = Pick<Checkpoint, 'directory' | 'weightsFile' | 'weightsStamp'>;

async function refuseChanged({ directory, weightsFile, weightsStamp }: WeightsFile): Promise<void> {
  const file = path.join(directory, weightsFile);
  const found = await fileStamp(file).catch((cause: Error) => {
    throw new CheckpointError(`${file}: ${cause.message}`, { cause });
  });
  if (found === weightsStamp) return;
  throw new CheckpointError(`${file} has changed since the checkpoint was opened: restart to use what it holds now`);
}

/** Errors of the configuration begin with the file's name. */
function configOf(folder: string, bytes: Uint8Array): DebertaConfig {
  try {
    return parseConfig(bytes);
  } catch (cause) {
    throw new CheckpointError(`${folder}${path.sep}${(cause as Error).message}`, { cause });
  }
}

/** The tokenizer's files may be missing: a checkpoint can be run on token ids alone. */
async function fileDigests(folder: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const name of [CONFIG, WEIGHTS, ...TOKENIZER]) {
    if (existsSync(path.join(folder, name))) digests[name] = await fileOf(folder, name, sha256File);
  }
  return digests;
}

async function fileOf<T>(folder: string, name: string, read: (file: string) => Promise<T>): Promise<T> {
  const file = path.join(folder, name);
  try {
    if (!(await stat(file)).isFile()) throw new Error('is not a file');
    return await read(file);
  } catch (cause) {
    throw new CheckpointError(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function tensorsOf(file: string, config: DebertaConfig): Promise<ReadonlyMap<string, TensorEntry>> {
  const { tensors } = await readTensorFile(file).catch((cause: Error) => {
    throw new CheckpointError(`${file}: ${cause.message}`, { cause });
  });
  for (const [name, shape] of expectedShapes(config)) checkShape(file, name, shape, tensors.get(name));
  return tensors;
}

function checkShape(file: string, name: string, shape: readonly number[], found: TensorEntry | undefined): void {
  if (!found) throw new CheckpointError(`${file}: tensor ${name} is missing`);
  if (found.shape.join() === shape.join()) return;
  throw new CheckpointError(
    `${file}: tensor ${name} has shape [${found.shape.join(', ')}], config.json asks for [${shape.join(', ')}]`,
  );
}
