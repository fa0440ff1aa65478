/** The one door of src/text: pairs of texts in, token ids out, on worker threads. */
import { readFile } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { SharedFile, WorkerStart } from './messages.js';
import { PREMISE_MINIMUM, SPECIAL_TOKENS } from './pair.js';
import { Pool } from './pool.js';
import type { Text } from './types.js';

export type { Encoded, Encoding, PairTexts, PairTrouble, Text } from './types.js';

export interface TextOptions {
  readonly tokenizerPath: string;
  /** null: the checkpoint has none, and its special tokens have their usual names. */
  readonly tokenizerConfigPath: string | null;
  /** Tokens of a pair, the three special ones included; at least 36. */
  readonly maxTokens: number;
  /** Unicode characters of one text, 20,000 by default. */
  readonly maxCharacters?: number;
  /** Threads, 1 by default. */
  readonly workers?: number;
}

const MAX_CHARACTERS = 20_000;
const MIN_TOKENS = SPECIAL_TOKENS + PREMISE_MINIMUM + 1;
/** A batch takes well under a second; a worker silent for so long is stuck. */
const PATIENCE_MS = 30_000;

/** A file's bytes in shared memory: every worker, and every replacement of one, works from the file as it was at the start. */
async function readShared(path: string): Promise<SharedFile> {
  const content = await readFile(path);
  const bytes = new SharedArrayBuffer(content.length);
  new Uint8Array(bytes).set(content);
  return { path, bytes };
}

/** What a worker needs, read once. Throws what the file system says, which names the path. */
export async function readStart(options: TextOptions): Promise<WorkerStart> {
  const { tokenizerPath, tokenizerConfigPath, maxTokens, maxCharacters = MAX_CHARACTERS } = options;
  if (maxTokens < MIN_TOKENS) throw new RangeError(`maxTokens is ${maxTokens}; it must be at least ${MIN_TOKENS}`);
  return {
    tokenizer: await readShared(tokenizerPath),
    config: tokenizerConfigPath === null ? null : await readShared(tokenizerConfigPath),
    limits: { maxTokens, maxCharacters },
  };
}

export function startWorker(workerData: WorkerStart): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { workerData });
}

/**
 * Opens the tokenizer of a checkpoint; resolves when every worker can encode. Rejects with an Error that names the file
 * and the reason: it is missing, malformed, or asks for something that would not be encoded as it was in training.
 */
export async function openText(options: TextOptions): Promise<Text> {
  const start = await readStart(options);
  return Pool.open({ workers: options.workers ?? 1, patienceMs: PATIENCE_MS, start: () => startWorker(start) });
}
