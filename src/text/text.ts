/** The one door of src/text: pairs of texts in, token ids out, on worker threads. */
import { Pool } from './pool.js';
import { readStart, startWorker, type TextOptions } from './start.js';
import type { Text } from './types.js';

export type { TextOptions } from './start.js';
export type { Encoded, Encoding, PairTexts, PairTrouble, Text } from './types.js';

/** A batch takes well under a second; a worker silent for so long is stuck. */
const PATIENCE_MS = 30_000;

/**
 * Opens the tokenizer of a checkpoint; resolves when every worker can encode. Rejects with an Error that names the file
 * and the reason: it is missing, malformed, or asks for something that would not be encoded as it was in training.
 */
export async function openText(options: TextOptions): Promise<Text> {
  const start = await readStart(options);
  return Pool.open({ workers: options.workers ?? 1, patienceMs: PATIENCE_MS, start: () => startWorker(start) });
}
