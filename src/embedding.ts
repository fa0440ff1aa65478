/** The server of text embeddings that POST /embed passes through to (ERRATA_EMBED_URL). */
import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { Problem } from './errors.js';

export interface EmbedAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Readable;
}

export interface Embedding {
  /** Passes a request body on; the answer's body is a stream. Rejects with Problem 'upstream-failed'. */
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
}

export function createEmbedding({ url, timeoutMs = 120_000, healthTimeoutMs = 1_000 }: EmbeddingOptions): Embedding {
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
      if (answer.statusCode < 300 || (answer.statusCode >= 400 && answer.statusCode < 500))
        return { status: answer.statusCode, contentType: typeOf(answer.headers['content-type']), body: answer.body };
      await answer.body.dump();
      return failed(new Error(`the embedding server answered ${answer.statusCode}`));
    },
    ready: () => ready(base, dispatcher, healthTimeoutMs),
    close: () => dispatcher.destroy(),
  };
}

function failed(cause: unknown): never {
  throw new Problem('upstream-failed', 'the embedding server did not answer as it should', { cause });
}

const typeOf = (header: string | string[] | undefined): string => [header].flat()[0] ?? 'application/json';

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
