/** `errata restore`: a backup becomes the data of a service that has none, every byte compared with its digest. */
import { copyFile, link, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type BackedUpFile, type BackupManifest, DATABASE, exists, FORMAT, MANIFEST, type Storage } from './backup.js';
import { inspectDatabase, unknownMigrations } from './db/backup.js';
import { databaseFile } from './db/database.js';
import { failpoint } from './failpoints.js';
import { flush, sha256File } from './files.js';

/** Downloaded checkpoints are no state, and a fresh volume has its own folder. */
const MAY_BE_THERE: ReadonlySet<string> = new Set(['models', 'lost+found']);
const FILE = /^(?:errata\.db|adapters\/[0-9a-f]{64}\/adapter_(?:config\.json|model\.safetensors))$/;

/**
 * Puts the backup `from` where the settings say. Resolves when it is on the disk; the database comes last, so that a
 * service that starts meanwhile, or a restore that is cut short, never serves half of it.
 * Rejects with an error that names what is there already, what is missing or what differs from its digest.
 */
export async function restore(storage: Storage, from: string): Promise<BackupManifest> {
  const manifest = await readManifest(from);
  const database = databaseFile(storage.databaseUrl);
  await refuseOccupied(storage.dataDir, database);
  const staging = path.join(storage.dataDir, `.restoring-${process.pid}`);
  const beside = `${database}.${process.pid}.tmp`;
  try {
    await mkdir(path.dirname(database), { recursive: true });
    for (const file of manifest.files) {
      await copyChecked(
        path.join(from, file.path),
        file.path === DATABASE ? beside : path.join(staging, file.path),
        file,
      );
    }
    checkDatabase(beside);
    await place(staging, beside, storage.dataDir, database);
    return manifest;
  } finally {
    await rm(staging, { recursive: true, force: true });
    await rm(beside, { force: true });
  }
}

async function readManifest(from: string): Promise<BackupManifest> {
  const file = path.join(from, MANIFEST);
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Error(`${from} is no backup: it has no ${MANIFEST}`);
  });
  const manifest = parsed(text);
  if (manifest?.format !== FORMAT || manifest.format_version !== 1 || !Array.isArray(manifest.files))
    throw new Error(`${file} is no manifest of a backup that this version reads`);
  const strange = manifest.files.find((one) => !FILE.test(String(one.path)));
  if (strange !== undefined) throw new Error(`${file} names a file that no backup has: ${strange.path}`);
  if (!manifest.files.some((one) => one.path === DATABASE)) throw new Error(`${file} names no ${DATABASE}`);
  return manifest;
}

function parsed(text: string): BackupManifest | null {
  try {
    return JSON.parse(text) as BackupManifest | null;
  } catch {
    return null;
  }
}

async function refuseOccupied(dataDir: string, database: string): Promise<void> {
  const names = await readdir(dataDir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const there = names.filter((name) => !MAY_BE_THERE.has(name)).map((name) => path.join(dataDir, name));
  for (const file of [database, `${database}-wal`]) if (await exists(file)) there.push(file);
  if (there.length === 0) return;
  const [first] = there;
  throw new Error(`${first} is there: a backup is restored into an empty data directory, of a service that is stopped`);
}

/** What was copied is what is compared: the backup may lie on a disk that reads differently twice. */
async function copyChecked(from: string, to: string, { path: name, sha256 }: BackedUpFile): Promise<void> {
  await mkdir(path.dirname(to), { recursive: true });
  await copyFile(from, to).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${name} of the backup cannot be copied: ${cause.code}`, { cause });
  });
  failpoint('restore.file.copied');
  if ((await sha256File(to)) !== sha256)
    throw new Error(`${name} is not the file that was backed up: its SHA-256 differs`);
  await flush(to);
  failpoint('restore.file.flushed');
}

function checkDatabase(file: string): void {
  const unknown = unknownMigrations(inspectDatabase(file));
  if (unknown.length === 0) return;
  throw new Error(`the backup is of a newer version of Errata, whose migrations this one lacks: ${unknown.join(', ')}`);
}

/** A link, unlike a rename, never takes the place of a file that came meanwhile. */
async function place(staging: string, beside: string, dataDir: string, database: string): Promise<void> {
  const adapters = path.join(staging, 'adapters');
  if (await exists(adapters)) {
    for (const name of await readdir(adapters)) await flush(path.join(adapters, name));
    await flush(adapters);
    await rename(adapters, path.join(dataDir, 'adapters'));
    failpoint('restore.adapters.moved');
  }
  await flush(dataDir).catch(ignoreAbsence);
  await link(beside, database);
  failpoint('restore.database.linked');
  await flush(path.dirname(database));
}

/** Without adapters nothing is in the data directory when the database lies elsewhere. */
function ignoreAbsence(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
