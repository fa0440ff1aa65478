/**
 * One file from a hub to the disk, continued where an earlier attempt stopped. @huggingface/hub downloads whole files
 * and compares no digest, so the bytes are fetched here: by HTTP Range, into `<name>.part`, which becomes `<name>` when
 * it is complete and stays if its content is what the hub promised.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { flush } from '../files.js';
import type { LockedFile } from '../checkpoint/lock.js';
import { type Hub, type RemoteFile, refusal, type RemoteModel } from './hub.js';

export interface Progress {
  /** A file begins, `have` of its bytes being there already. */
  begin(file: RemoteFile, have: number): void;
  /** `have` bytes of it are there now. */
  advance(file: RemoteFile, have: number): void;
  /** Its content is what the hub promised. */
  verified(file: RemoteFile): void;
}

export interface DownloadOptions {
  readonly hub: Hub;
  readonly model: RemoteModel;
  readonly directory: string;
  readonly progress: Progress;
  /** Pauses between attempts that brought nothing, in milliseconds; one more attempt than pauses. */
  readonly pauses: readonly number[];
}

/** A fault that another attempt may cure: the connection broke, or the server is busy. */
class Interrupted extends Error {}

/**
 * Brings one file into `directory`, flushed and verified.
 * @throws Error naming the file; what was received stays for the next attempt unless its content is wrong
 */
export async function download(file: RemoteFile, options: DownloadOptions): Promise<LockedFile> {
  const target = path.join(options.directory, file.name);
  const part = `${target}.part`;
  if ((await sizeOf(target)) === null) {
    await receiveAll(file, part, options);
    await flush(part);
    await rename(part, target);
  }
  // Checked under its own name, where no other download writes any more.
  const sha256 = await checkOrRemove(file, target);
  options.progress.verified(file);
  return { name: file.name, size: file.size, sha256 };
}

/** Attempts until the part is complete; the count of attempts starts anew whenever one brought something. */
async function receiveAll(file: RemoteFile, part: string, options: DownloadOptions): Promise<void> {
  let failures = 0;
  let have = await usable(part, file);
  options.progress.begin(file, have);
  while (have < file.size || (await sizeOf(part)) === null) {
    const trouble = await attempt(file, part, have, options);
    const now = await usable(part, file);
    failures = now > have ? 0 : failures + 1;
    have = now;
    if (trouble === null || failures === 0) continue;
    const milliseconds = options.pauses[failures - 1];
    if (milliseconds === undefined)
      throw new Error(`${file.name}: ${trouble.message}; ${have} of ${file.size} bytes are kept`);
    await pause(milliseconds);
  }
}

async function attempt(
  file: RemoteFile,
  part: string,
  have: number,
  options: DownloadOptions,
): Promise<Interrupted | null> {
  try {
    await receive(file, part, have, options);
    return (await sizeOf(part)) === file.size ? null : new Interrupted('the server ended the file early');
  } catch (error) {
    if (error instanceof Interrupted) return error;
    throw error;
  }
}

/** Writes what the server sends from byte `have` on; a server that ignores Range starts the file over. */
async function receive(file: RemoteFile, part: string, have: number, options: DownloadOptions): Promise<void> {
  const response = await request(file, have, options);
  const start = response.status === 206 ? have : 0;
  const handle = await open(part, start > 0 ? 'r+' : 'w');
  await pipeline(counted(response, start, file, options.progress), handle.createWriteStream({ start }));
}

async function* counted(
  from: Response,
  start: number,
  file: RemoteFile,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  let have = start;
  for await (const chunk of chunks(from)) {
    have += chunk.length;
    if (have > file.size)
      throw new Error(`${file.name}: the server sends more than the ${file.size} bytes it promised`);
    yield chunk;
    progress.advance(file, have);
  }
}

/** A connection that breaks is an interruption; a disk that refuses is not, so only reading is guarded. */
async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  let read = await reader?.read().catch(interrupted);
  while (read?.value) {
    yield read.value;
    read = await reader?.read().catch(interrupted);
  }
}

function interrupted(error: unknown): never {
  const { code, message } = ((error as Error).cause ?? error) as { code?: string; message?: string };
  throw new Interrupted(`the connection broke (${code ?? message ?? 'no reason given'})`, { cause: error });
}

/** fetch drops the token where the hub redirects to another origin. `identity`: ranges count the file's own bytes. */
async function request(file: RemoteFile, have: number, { hub, model }: DownloadOptions): Promise<Response> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (hub.token !== null) headers['authorization'] = `Bearer ${hub.token}`;
  if (have > 0) headers['range'] = `bytes=${have}-`;
  const response = await fetch(file.url, { headers }).catch(interrupted);
  const resumed = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`);
  if (response.status === 200 || resumed) return response;
  await response.body?.cancel();
  if (response.status === 429 || response.status >= 500 || response.status === 206) {
    throw new Interrupted(`the server answered ${response.status}`);
  }
  throw refusal(response.status, hub, model.repo, model.commit);
}

/** How many bytes of the part can be continued: none when it is longer than the file. */
async function usable(part: string, file: RemoteFile): Promise<number> {
  const size = (await sizeOf(part)) ?? 0;
  if (size <= file.size) return size;
  await rm(part);
  return 0;
}

async function sizeOf(file: string): Promise<number | null> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return found?.size ?? null;
}

/** The SHA-256 of a file whose size and identity are right; a wrong file is removed, so that the next attempt is clean. */
async function checkOrRemove(expected: RemoteFile, file: string): Promise<string> {
  const { size, sha256, git_sha1 } = await digests(file);
  const found = { sha256, git_sha1 }[expected.identity.kind];
  if (size === expected.size && found === expected.identity.hex) return sha256;
  await rm(file);
  const promised = `${expected.identity.kind} ${expected.identity.hex}`;
  throw new Error(
    `${expected.name}: what was received is not what the hub promised (${promised}, received ${found}); it was removed, try again`,
  );
}

/** Git's blob digest hashes the size first: sha1("blob <size>\0" + content). */
async function digests(file: string): Promise<{ size: number; sha256: string; git_sha1: string }> {
  const { size } = await stat(file);
  const hashes: Record<'sha256' | 'git_sha1', Hash> = { sha256: createHash('sha256'), git_sha1: createHash('sha1') };
  hashes.git_sha1.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hashes.sha256.update(chunk);
    hashes.git_sha1.update(chunk);
  }
  return { size, sha256: hashes.sha256.digest('hex'), git_sha1: hashes.git_sha1.digest('hex') };
}
