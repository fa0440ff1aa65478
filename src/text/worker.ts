/** A tokenizer worker: loads the tokenizer, says so, then answers each batch. An error it does not expect ends it; the pool replaces it. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { readDefinition, readNames } from './definition.js';
import type { EncodeBatch, SharedFile, Started, WorkerStart } from './messages.js';
import { packEncodings } from './pack.js';
import { encodePair, type Limits } from './pair.js';
import { createTokenizer, type Tokenizer } from './tokenizer.js';
import type { Encoded } from './types.js';

/** What `read` makes of a JSON file; its errors name the file. */
function parseFile<T>({ path, bytes }: SharedFile, read: (json: unknown) => T): T {
  try {
    return read(JSON.parse(Buffer.from(bytes).toString()));
  } catch (cause) {
    throw new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function load({ tokenizer, config }: WorkerStart): Tokenizer {
  const names = config === null ? readNames({}) : parseFile(config, readNames);
  return parseFile(tokenizer, (json) => createTokenizer(readDefinition(json, names)));
}

function encodeTexts(tokenizer: Tokenizer, texts: readonly string[], limits: Limits): Encoded[] {
  const out: Encoded[] = [];
  for (let i = 0; i + 1 < texts.length; i += 2) {
    out.push(encodePair(tokenizer, { premise: texts[i] ?? '', hypothesis: texts[i + 1] ?? '' }, limits));
  }
  return out;
}

/** A refusal leaves nothing to listen to, so the thread ends. */
function serve(port: MessagePort, start: WorkerStart): Started {
  try {
    const tokenizer = load(start);
    port.on('message', ({ texts }: EncodeBatch) => {
      const encoded = packEncodings(encodeTexts(tokenizer, texts, start.limits));
      port.postMessage(encoded, [encoded.ids.buffer as ArrayBuffer]);
    });
    return { type: 'ready' };
  } catch (error) {
    return { type: 'refused', reason: error instanceof Error ? error.message : String(error) };
  }
}

if (parentPort !== null) parentPort.postMessage(serve(parentPort, workerData as WorkerStart));
