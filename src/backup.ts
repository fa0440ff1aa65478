/**
 * `errata backup`: the database and the adapters' files as one directory with a manifest of their digests, while the
 * service writes. The database is copied first: files of adapters are stored before their rows, so all it names are there.
 */
import { access, mkdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { FILE_NAMES, readAdapterFiles } from '../adapters/store.js';
import type { Config } from './config.js';
import { type CopiedAdapter, copyDatabase, type DatabaseContent, inspectDatabase } from './db/backup.js';
import { databaseFile } from './db/database.js';
import { failpoint } from './failpoints.js';
import { flush, moveDurably, sha256File, writeDurably } from './files.js';
import { packageVersion } from './package.js';

export const MANIFEST = 'manifest.json';
export const DATABASE = 'errata.db';
export const FORMAT = 'errata-backup';

export interface BackedUpFile {
  /** Under the backup's directory, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface BackupManifest extends Pick<DatabaseContent, 'migrations' | 'position' | 'rows'> {
  readonly format: typeof FORMAT;
  readonly format_version: 1;
  readonly errata_version: string;
  /** When the copy began: everything acknowledged before is in it. */
  readonly created_at: string;
  readonly files: readonly BackedUpFile[];
  /** Adapters whose files were missing or damaged already. */
  readonly without_files: readonly { readonly adapter: string; readonly reason: string }[];
}

/** What a backup is made from. */
export type Storage = Pick<Config, 'databaseUrl' | 'dataDir'>;

/**
 * Makes the directory `to`, whole or not at all; when this resolves it is on the disk.
 * Rejects with Problem 'storage-failed', and with an error that names `to` when it is there already.
 */
export async function backup(storage: Storage, to: string, now: number): Promise<BackupManifest> {
  if (await exists(to)) throw new Error(`${to} is there already: a backup is a directory of its own`);
  const beside = `${to}.${process.pid}.tmp`;
  try {
    await mkdir(beside, { recursive: true });
    failpoint('backup.directory.made');
    const manifest = await fill(beside, storage, now);
    await writeDurably(path.join(beside, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    failpoint('backup.manifest.written');
    await moveDurably(beside, to);
    return manifest;
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    throw error;
  }
}

export const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

async function fill(directory: string, { databaseUrl, dataDir }: Storage, now: number): Promise<BackupManifest> {
  const database = path.join(directory, DATABASE);
  copyDatabase(databaseFile(databaseUrl), database);
  failpoint('backup.database.copied');
  await flush(database);
  const { adapters, ...content } = inspectDatabase(database);
  const files = [await describe(directory, DATABASE)];
  const without: BackupManifest['without_files'][number][] = [];
  for (const adapter of distinct(adapters)) {
    const copied = await copyAdapter(directory, dataDir, adapter);
    if (typeof copied === 'string')
      without.push({ adapter: `${adapter.base_model} ${adapter.version}`, reason: copied });
    else files.push(...copied);
  }
  const created_at = new Date(now).toISOString();
  const head = { format: FORMAT, format_version: 1, errata_version: packageVersion(), created_at } as const;
  return { ...head, ...content, files, without_files: without };
}

/** Two base models may have an adapter of one digest: its files are the same. */
const distinct = (adapters: readonly CopiedAdapter[]): CopiedAdapter[] => [
  ...new Map(adapters.map((adapter) => [adapter.digest, adapter])).values(),
];

/** The files, each compared with its row's digest before and flushed after it is written; a text: why they cannot be had. */
async function copyAdapter(
  directory: string,
  dataDir: string,
  adapter: CopiedAdapter,
): Promise<BackedUpFile[] | string> {
  const found = await readAdapterFiles(dataDir, adapter).catch((error: Error) => error.message);
  if (typeof found === 'string') return found;
  const folder = path.join(directory, 'adapters', adapter.digest);
  await mkdir(folder, { recursive: true });
  const bytes = [found.config, found.weights];
  for (const [i, name] of FILE_NAMES.entries()) await writeDurably(path.join(folder, name), bytes[i] as Uint8Array);
  await flush(path.dirname(folder));
  failpoint('backup.adapter.copied');
  return Promise.all(FILE_NAMES.map((name) => describe(directory, `adapters/${adapter.digest}/${name}`)));
}

async function describe(directory: string, name: string): Promise<BackedUpFile> {
  const file = path.join(directory, name);
  return { path: name, bytes: (await stat(file)).size, sha256: await sha256File(file) };
}
