/** Requests over real connections, paths and headers as they are given. */
import { Agent, type IncomingMessage, request as open } from 'node:http';
import type { Request } from './draft.js';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface Client {
  /** Rejects when there is no whole answer in time. */
  send(request: Request): Promise<Reply>;
  close(): void;
}

/** How long a stream of events may be silent before it is taken to have said all. */
const SILENCE_MS = 100;

export function createClient(origin: string, timeoutMs = 20_000): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const { hostname: host, port } = new URL(origin);
  return {
    send: ({ method, path, headers, body }) =>
      new Promise((resolve, reject) => {
        const length = body === null ? {} : { 'content-length': String(body.length) };
        const sent = open({ agent, host, port, method, path, headers: { ...headers, ...length } });
        const late = setTimeout(() => sent.destroy(new Error(`no whole answer within ${timeoutMs} ms`)), timeoutMs);
        sent.on('error', reject).on('close', () => clearTimeout(late));
        sent.on('response', (answer) => void read(answer).then(resolve, reject));
        sent.end(body ?? undefined);
      }),
    close: () => agent.destroy(),
  };
}

async function read(answer: IncomingMessage): Promise<Reply> {
  const { statusCode: status = 0, headers } = answer;
  const chunks: Buffer[] = [];
  const streamed = headers['content-type']?.startsWith('text/event-stream') === true;
  const quiet = streamed ? setTimeout(() => answer.destroy(), SILENCE_MS) : undefined;
  try {
    for await (const chunk of answer) {
      chunks.push(chunk as Buffer);
      quiet?.refresh();
    }
  } catch (error) {
    // A stream that we left had no end.
    if (!streamed) throw error;
  } finally {
    clearTimeout(quiet);
  }
  return { status, headers, body: Buffer.concat(chunks) };
}
