/**
 * Adapter files on disk, by digest: `<data directory>/adapters/<digest>/` holds a PEFT directory. Written beside, flushed
 * and moved into place, so that a digest's directory is whole or not there; checked again whenever it is read.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type { DebertaConfig } from '../src/checkpoint/checkpoint.js';
import { failpoint } from '../src/failpoints.js';
import { flush, moveDurably } from '../src/files.js';
import { type Adapter, AdapterError, type AdapterFiles, parseAdapter } from './format.js';

export const FILE_NAMES = ['adapter_config.json', 'adapter_model.safetensors'] as const;
export type FileName = (typeof FILE_NAMES)[number];

/** What a row knows of its files. */
export interface StoredDigests {
  readonly digest: string;
  readonly config_sha256: string;
  readonly weights_sha256: string;
}

const CHUNK = 1 << 18;
const LEFT_OVER = '.incoming-';
const LEFT_OVER_AFTER_MS = 3_600_000;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const directoryOf = (dataDir: string, digest: string): string => path.join(dataDir, 'adapters', digest);

/** Where one of the two files lies. */
export const fileOf = (dataDir: string, digest: string, name: FileName): string =>
  path.join(directoryOf(dataDir, digest), name);

const contents = ({ config, weights }: AdapterFiles): readonly (readonly [FileName, Uint8Array])[] => [
  ['adapter_config.json', config],
  ['adapter_model.safetensors', weights],
];

/**
 * Puts the files under `digest`; when this resolves they survive a loss of power. Files that are already there stay when
 * `keep` accepts them, so that two who store the same adapter at once agree; else they are replaced.
 * @returns the files that now lie there
 * @throws the file system's error; nothing lies under the digest then that did not before
 */
export async function storeAdapter(
  dataDir: string,
  digest: string,
  files: AdapterFiles,
  keep: (found: AdapterFiles) => boolean,
): Promise<AdapterFiles> {
  const directory = directoryOf(dataDir, digest);
  const incoming = path.join(path.dirname(directory), `${LEFT_OVER}${randomUUID()}`);
  const found = await kept(directory, keep);
  if (found) return found;
  try {
    await mkdir(incoming, { recursive: true });
    await flush(dataDir);
    failpoint('adapter.incoming.made');
    for (const [name, bytes] of contents(files)) await writeFlushed(path.join(incoming, name), bytes);
    await flush(incoming);
    failpoint('adapter.incoming.flushed');
    if (await movedIn(incoming, directory)) return files;
    return (await kept(directory, keep)) ?? (await replaced(incoming, directory, files));
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

async function kept(directory: string, keep: (found: AdapterFiles) => boolean): Promise<AdapterFiles | undefined> {
  const [config, weights] = await Promise.all(
    FILE_NAMES.map((name) => readFile(path.join(directory, name)).catch(() => undefined)),
  );
  return config && weights && keep({ config, weights }) ? { config, weights } : undefined;
}

async function writeFlushed(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(bytes);
    failpoint('adapter.file.written');
    await handle.sync();
    failpoint('adapter.file.flushed');
  } finally {
    await handle.close();
  }
}

/** False when the directory is there and not empty. */
async function movedIn(incoming: string, directory: string): Promise<boolean> {
  try {
    await moveDurably(incoming, directory);
    failpoint('adapter.incoming.moved');
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

async function replaced(incoming: string, directory: string, files: AdapterFiles): Promise<AdapterFiles> {
  for (const name of FILE_NAMES) {
    await rename(path.join(incoming, name), path.join(directory, name));
    failpoint('adapter.file.replaced');
  }
  await flush(directory);
  failpoint('adapter.replaced');
  return files;
}

/** The two files. Throws AdapterError naming the one that is missing or is not what was stored. */
export async function readAdapterFiles(dataDir: string, stored: StoredDigests): Promise<AdapterFiles> {
  const [config, weights] = await Promise.all([
    readChecked(fileOf(dataDir, stored.digest, 'adapter_config.json'), stored.config_sha256),
    readChecked(fileOf(dataDir, stored.digest, 'adapter_model.safetensors'), stored.weights_sha256),
  ]);
  return { config, weights };
}

async function readChecked(file: string, expected: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new AdapterError(`${path.basename(file)} cannot be read: ${cause.code}`, { cause });
  });
  if (sha256(bytes) === expected) return bytes;
  throw new AdapterError(`${path.basename(file)} is not the file that was stored: its SHA-256 differs`);
}

/** The adapter, every byte checked. Throws AdapterError when a file is missing or differs. */
export async function loadStored(dataDir: string, stored: StoredDigests, base: DebertaConfig): Promise<Adapter> {
  const { config, weights } = await readAdapterFiles(dataDir, stored);
  const adapter = parseAdapter(config, weights, base);
  if (adapter.digest === stored.digest) return adapter;
  throw new AdapterError(`the files have the digest ${adapter.digest}, not ${stored.digest}`);
}

/** Removes what crashes have left of unfinished writes. Younger ones may be another process's. */
export async function sweepLeftOvers(dataDir: string, now: number): Promise<void> {
  const directory = path.join(dataDir, 'adapters');
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(LEFT_OVER))) {
    const entry = path.join(directory, name);
    const { mtimeMs } = await stat(entry).catch(() => ({ mtimeMs: now }));
    if (now - mtimeMs > LEFT_OVER_AFTER_MS) await rm(entry, { recursive: true, force: true });
  }
}

export interface StoredFile {
  readonly size: number;
  /** SHA-256 in hex. */
  readonly sha256: string;
  readonly content: Readable;
}

/** One of the two files as a stream, its digest compared before the first byte is given. Throws AdapterError. */
export async function openStored(dataDir: string, stored: StoredDigests, name: FileName): Promise<StoredFile> {
  const expected = name === 'adapter_config.json' ? stored.config_sha256 : stored.weights_sha256;
  const handle = await open(fileOf(dataDir, stored.digest, name)).catch((cause: NodeJS.ErrnoException) => {
    throw new AdapterError(`${name} cannot be read: ${cause.code}`, { cause });
  });
  try {
    const hash = createHash('sha256');
    for await (const chunk of handle.createReadStream({ autoClose: false, highWaterMark: CHUNK }))
      hash.update(chunk as Buffer);
    if (hash.digest('hex') !== expected)
      throw new AdapterError(`${name} is not the file that was stored: its SHA-256 differs`);
    const { size } = await handle.stat();
    return { size, sha256: expected, content: handle.createReadStream({ start: 0, highWaterMark: CHUNK }) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
