/** The one door of src/models: a checkpoint from a Hugging Face hub into a folder, whole or not at all. */
import { mkdir, readdir, rmdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { type Lock, type LockedFile, verifyLock, writeLock } from '../checkpoint/lock.js';
import { moveDurably } from '../files.js';
import { download, type DownloadOptions, type Progress } from './download.js';
import { findModel, type Hub, type RemoteFile, type RemoteModel } from './hub.js';

export type { Progress } from './download.js';
export type { RemoteFile } from './hub.js';

export interface PullRequest {
  readonly hub: Hub;
  readonly repo: string;
  /** A commit, or a branch or tag that the hub resolves to one. */
  readonly revision: string;
  /** The folder the model shall be, once its commit is known. */
  directory(commit: string): string;
  readonly progress: PullProgress;
  readonly pauses: readonly number[];
}

export interface PullProgress extends Progress {
  /** What is going to be downloaded, before the first byte. */
  found(model: RemoteModel, directory: string): void;
}

export interface PulledModel {
  readonly directory: string;
  readonly lock: Lock;
  /** It was there already, complete and unchanged. */
  readonly present: boolean;
}

/**
 * Downloads into a hidden folder beside the target, verifies each file, writes the lock and moves the folder into place:
 * a kill at any point leaves no model or the complete one, and the next call goes on where it stopped.
 * @throws Error with one clear line: not found, gated, a missing file by name, a broken connection, a wrong digest, a taken folder
 */
export async function pull(request: PullRequest): Promise<PulledModel> {
  const { hub, progress } = request;
  const model = await findModel(hub, request.repo, request.revision);
  const directory = path.resolve(request.directory(model.commit));
  progress.found(model, directory);
  const present = await existing(directory, model);
  if (present) return { directory, lock: present, present: true };
  const staging = path.join(path.dirname(directory), `.${path.basename(directory)}.${model.commit}.partial`);
  await mkdir(staging, { recursive: true });
  await checkSpace(staging, model.files);
  const lock = await fill({ hub, model, directory: staging, progress, pauses: request.pauses });
  await publish(staging, directory);
  return { directory, lock, present: false };
}

/** The lock of a target that already is this model, null when the target is free. */
async function existing(directory: string, model: RemoteModel): Promise<Lock | null> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (names.length === 0) return null;
  const lock = await verifyLock(directory);
  if (lock?.repo === model.repo && lock.revision === model.commit) return lock;
  throw new Error(`${directory} holds something else than ${model.repo} at ${model.commit}; give another folder`);
}

async function checkSpace(directory: string, files: readonly RemoteFile[]): Promise<void> {
  const names = await readdir(directory);
  const had = await Promise.all(names.map(async (name) => (await stat(path.join(directory, name))).size));
  const needed = sum(files.map(({ size }) => size)) - sum(had);
  const { bavail, bsize } = await statfs(directory);
  if (needed > bavail * bsize) throw new Error(`${directory}: ${needed} bytes are needed, ${bavail * bsize} are free`);
}

async function fill(options: DownloadOptions): Promise<Lock> {
  const files: LockedFile[] = [];
  for (const file of options.model.files) files.push(await download(file, options));
  const lock: Lock = { lock_version: 1, repo: options.model.repo, revision: options.model.commit, files };
  await writeLock(options.directory, lock);
  return lock;
}

/** An empty folder may be replaced; `rmdir` refuses any other. */
async function publish(staging: string, directory: string): Promise<void> {
  await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await moveDurably(staging, directory);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
