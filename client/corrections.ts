/** Corrections in bulk, as JSON Lines, neither way held in memory as a whole. */
import type { Client } from 'openapi-fetch';
import { linesOf } from './lines.js';
import type { components, paths } from './schema.js';

export type CorrectionLine = components['schemas']['CorrectionLine'];
export type ImportReport = components['schemas']['ImportReport'];

export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Every current correction, oldest first, a line of JSON each. */
export async function* exportCorrections(
  api: Client<paths>,
  { signal }: CallOptions = {},
): AsyncGenerator<string, void, void> {
  const { data } = await api.GET('/corrections/export', { parseAs: 'stream', ...(signal && { signal }) });
  if (data) yield* linesOf(data);
}

/** Stores corrections given as objects or as lines of JSON; each is stored or refused by itself, as the report tells. */
export async function importCorrections(
  api: Client<paths>,
  corrections: AsyncIterable<CorrectionLine | string> | Iterable<CorrectionLine | string>,
  { signal }: CallOptions = {},
): Promise<ImportReport> {
  const { data } = await api.POST('/corrections/import', {
    headers: { 'content-type': 'application/x-ndjson' },
    body: streamOf(corrections) as unknown as CorrectionLine,
    bodySerializer: (body: unknown) => body,
    // What fetch asks for where a body is a stream.
    duplex: 'half',
    ...(signal && { signal }),
  });
  return data as ImportReport;
}

/** Lines are sent in chunks of about this many characters. */
const CHUNK = 64 * 1024;

function streamOf(corrections: AsyncIterable<CorrectionLine | string> | Iterable<CorrectionLine | string>) {
  const chunks = chunksOf(corrections);
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await chunks.return();
    },
  });
}

async function* chunksOf(
  corrections: AsyncIterable<CorrectionLine | string> | Iterable<CorrectionLine | string>,
): AsyncGenerator<string, void, void> {
  let chunk = '';
  for await (const one of corrections) {
    chunk += `${typeof one === 'string' ? one : JSON.stringify(one)}\n`;
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}
