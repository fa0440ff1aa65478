/** Server-sent events (WHATWG HTML, section 9.2) as a stream for Fastify's reply. */
import { Readable } from 'node:stream';

export interface ServerSentEvent {
  readonly id: number;
  readonly event: string;
  readonly data: unknown;
}

export const EVENT_STREAM = 'text/event-stream';

/** How long a client waits before it connects again. */
const RETRY_MS = 2000;
/** Proxies cut connections that are silent for a minute. */
const HEARTBEAT_MS = 15_000;

/** Frames of the events, and a comment whenever none came for `heartbeatMs`. Ends when `events` end. */
export function eventStream(events: AsyncIterable<ServerSentEvent>, heartbeatMs = HEARTBEAT_MS): Readable {
  return Readable.from(frames(events, heartbeatMs), { objectMode: false });
}

async function* frames(events: AsyncIterable<ServerSentEvent>, heartbeatMs: number): AsyncGenerator<Buffer> {
  const iterator = events[Symbol.asyncIterator]();
  yield Buffer.from(`retry: ${RETRY_MS}\n\n`);
  let next = iterator.next();
  for (;;) {
    const result = await within(next, heartbeatMs);
    if (result === undefined) yield Buffer.from(':\n\n');
    else if (result.done === true) return;
    else {
      yield Buffer.from(frame(result.value));
      next = iterator.next();
    }
  }
}

/** JSON has no line breaks, so one data line holds it. */
const frame = ({ id, event, data }: ServerSentEvent): string =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** What the promise gives, or undefined when it has not in time. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
