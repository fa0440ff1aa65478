/** The server of text embeddings that POST /embed passes through to (ERRATA_EMBED_URL). */
import { Agent, type Dispatcher, request } from 'undici';
import { Problem } from './errors.js';

/** JSON, whole. */
export interface EmbedAnswer {
  readonly status: number;
  readonly body: Buffer;
}

export interface Embedding {
  /** Passes a request body on. Rejects with Problem 'upstream-failed' for all but a whole answer in JSON. */
  embed(body: Uint8Array, contentType: string, signal: AbortSignal): Promise<EmbedAnswer>;
  /** Whether that server says that its embedding model is loaded. */
  ready(): Promise<boolean>;
  close(): Promise<void>;
}

export interface EmbeddingOptions {
  /** Base address: /embed and /health are below it. */
  readonly url: string;
  readonly timeoutMs?: number;
  readonly healthTimeoutMs?: number;
  /** Of an answer; 64 MiB by default. */
  readonly maxBytes?: number;
}

/** 256 texts' vectors of 4,096 numbers, written out in full, take a third of it. */
const MAX_BYTES = 64 * 1024 * 1024;

export function createEmbedding(options: EmbeddingOptions): Embedding {
  const { url, timeoutMs = 120_000, healthTimeoutMs = 1_000, maxBytes = MAX_BYTES } = options;
  const dispatcher = new Agent({ connectTimeout: 5_000, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  const base = url.replace(/\/+$/, '');
  return {
    embed: async (body, contentType, signal) => {
      const answer = await request(`${base}/embed`, {
        dispatcher,
        method: 'POST',
        headers: { 'content-type': contentType },
        body,
        signal,
      }).catch(failed);
      return await wholeJson(answer, maxBytes).catch(failed);
    },
    ready: () => ready(base, dispatcher, healthTimeoutMs),
    close: () => dispatcher.destroy(),
  };
}

function failed(cause: unknown): never {
  throw new Problem('upstream-failed', 'the embedding server did not answer as it should', { cause });
}

/** Held until it is whole: one that is cut must not leave with the status of one that is not. */
async function wholeJson(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  maxBytes: number,
): Promise<EmbedAnswer> {
  const type = String(headers['content-type'] ?? 'none');
  const told = statusCode < 300 || (statusCode >= 400 && statusCode < 500);
  if (told && JSON_TYPE.test(type)) return { status: statusCode, body: await read(body, maxBytes) };
  await body.dump();
  throw new Error(`the embedding server answered ${statusCode} with content type ${type}`);
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i;

async function read(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`the embedding server answered more than ${maxBytes} bytes`);
  }
  return Buffer.concat(chunks);
}

async function ready(base: string, dispatcher: Agent, timeoutMs: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const { statusCode, body } = await request(`${base}/health`, { dispatcher, signal });
    const health = (await body.json()) as { models_loaded?: { embedding?: unknown } } | null;
    return statusCode === 200 && health?.models_loaded?.embedding === true;
  } catch {
    return false;
  }
}
