/** What a tokenizer worker is started with, and its start. */
import { readFile, stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { LIMITS } from '../limits.js';
import type { SharedFile, WorkerStart } from './messages.js';
import { PREMISE_MINIMUM, SPECIAL_TOKENS } from './pair.js';

export interface TextOptions {
  readonly tokenizerPath: string;
  /** null: the checkpoint has none, and its special tokens have their usual names. */
  readonly tokenizerConfigPath: string | null;
  /** Tokens of a pair, the three special ones included; at least 36. */
  readonly maxTokens: number;
  /** Threads, 1 by default. */
  readonly workers?: number;
}

const MIN_TOKENS = SPECIAL_TOKENS + PREMISE_MINIMUM + 1;

/** A file's bytes in shared memory: every worker, and every replacement of one, works from the file as it was at the start. */
async function readShared(path: string): Promise<SharedFile> {
  // Reading a pipe or a device may never end.
  if (!(await stat(path)).isFile()) throw new Error(`${path} is not a file`);
  const content = await readFile(path);
  const bytes = new SharedArrayBuffer(content.length);
  new Uint8Array(bytes).set(content);
  return { path, bytes };
}

/** What a worker needs, read once. Throws what the file system says, which names the path. */
export async function readStart(options: TextOptions): Promise<WorkerStart> {
  const { tokenizerPath, tokenizerConfigPath, maxTokens } = options;
  if (maxTokens < MIN_TOKENS) throw new RangeError(`maxTokens is ${maxTokens}; it must be at least ${MIN_TOKENS}`);
  return {
    tokenizer: await readShared(tokenizerPath),
    config: tokenizerConfigPath === null ? null : await readShared(tokenizerConfigPath),
    limits: { maxTokens, maxCharacters: LIMITS.characters_per_text },
  };
}

/** Without the process's own flags: what they preload is meant for the main thread and would delay each start. */
export function startWorker(workerData: WorkerStart): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { workerData, execArgv: [] });
}
