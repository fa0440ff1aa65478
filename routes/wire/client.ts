/** Whether the client of a request is still there. */
import type { FastifyReply } from 'fastify';

/** Aborted when the connection ends before the answer is sent. */
export function clientSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}
