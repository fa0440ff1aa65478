/** `errata.lock.json` in a model folder: which files were downloaded, from where, and what they must hold for ever. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { sha256File, writeDurably } from '../files.js';

export const LOCK_FILE = 'errata.lock.json';

export interface LockedFile {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Lock {
  readonly lock_version: 1;
  readonly repo: string;
  /** The commit, 40 hex digits. */
  readonly revision: string;
  readonly files: readonly LockedFile[];
}

/** The lock of a model folder, or null when it has none. Throws when the file is not a lock. */
export async function readLock(directory: string): Promise<Lock | null> {
  const file = path.join(directory, LOCK_FILE);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : parseLock(text, file);
}

export async function writeLock(directory: string, lock: Lock): Promise<void> {
  await writeDurably(path.join(directory, LOCK_FILE), `${JSON.stringify(lock, null, 2)}\n`);
}

/**
 * Compares a model folder with its lock, symbolic links followed.
 * @returns the lock, or null when the folder has none: then nothing is promised
 * @throws Error naming the first file that is missing or differs
 */
export async function verifyLock(directory: string): Promise<Lock | null> {
  const lock = await readLock(directory);
  for (const file of lock?.files ?? []) await verifyFile(directory, file);
  return lock;
}

/** Sizes first: they tell most faults without reading a file. */
async function verifyFile(directory: string, locked: LockedFile): Promise<void> {
  const file = path.join(directory, locked.name);
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) throw new Error(`${file} is missing, but ${LOCK_FILE} lists it`);
  if (found.size !== locked.size) {
    throw new Error(`${file} differs from ${LOCK_FILE}: it has ${found.size} bytes, not ${locked.size}`);
  }
  const sha256 = await sha256File(file);
  if (sha256 !== locked.sha256) {
    throw new Error(`${file} differs from ${LOCK_FILE}: its SHA-256 is ${sha256}, not ${locked.sha256}`);
  }
}

function parseLock(text: string, file: string): Lock {
  const lock = parseJson(text);
  if (!isLock(lock)) throw new Error(`${file} is not a lock file that this version reads`);
  return lock;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isLock(value: unknown): value is Lock {
  const lock = value as Partial<Lock> | null;
  return (
    lock?.lock_version === 1 &&
    typeof lock.repo === 'string' &&
    /^[0-9a-f]{40}$/.test(String(lock.revision)) &&
    Array.isArray(lock.files) &&
    lock.files.length > 0 &&
    lock.files.every(isLockedFile)
  );
}

/** A name is one plain file of the folder, never a path that leaves it. */
function isLockedFile(value: unknown): value is LockedFile {
  const file = value as Partial<LockedFile> | null;
  return (
    /^\w[\w.-]*$/.test(String(file?.name)) &&
    Number.isSafeInteger(file?.size) &&
    /^[0-9a-f]{64}$/.test(String(file?.sha256))
  );
}
