/** Files that survive a loss of power: written beside, flushed, moved into place, and the directory flushed too. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { failpoint } from './failpoints.js';

/** Flushes a file's content, or a directory's list of names, to the disk. */
export async function flush(fileOrDirectory: string): Promise<void> {
  const handle = await open(fileOrDirectory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves `from` to `to` on the same file system; when this returns the move is on the disk. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  failpoint('file.renamed');
  await flush(path.dirname(to));
  failpoint('file.directory.flushed');
}

async function writeFlushed(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.writeFile(content);
    failpoint('file.written');
    await handle.sync();
    failpoint('file.flushed');
  } finally {
    await handle.close();
  }
}

/**
 * Writes a file so that at every moment it is either whole or not there. What is written beside bears the process's
 * number: another process that writes the same file does not disturb.
 */
export async function writeDurably(file: string, content: string | Uint8Array): Promise<void> {
  const beside = `${file}.${process.pid}.tmp`;
  try {
    await writeFlushed(beside, content);
    await moveDurably(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/** Whether the file system refused because it has no room left, for all or for this user. */
export const isFull = (error: unknown): boolean => FULL.has((error as NodeJS.ErrnoException | null)?.code);

/** SHA-256 of a file in hex, read as a stream. */
export async function sha256File(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** The same for as long as nobody replaces the file or writes to it; cheap, where a digest is not. */
export async function fileStamp(file: string): Promise<string> {
  const { ino, size, mtimeNs } = await stat(file, { bigint: true });
  return `inode ${ino}, ${size} bytes, ${mtimeNs} ns`;
}
