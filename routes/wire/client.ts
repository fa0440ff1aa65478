/** Whether the client of a request is still there. */
import type { FastifyReply } from 'fastify';

/** Aborted when the connection ends before the answer is sent, or has ended already. */
export function clientSignal({ raw, request }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const { socket } = request.raw;
  const leave = (): void => {
    socket.off('close', leave);
    if (!raw.writableFinished) gone.abort();
  };
  // A pipelined request's answer has no connection until its turn, and then never closes.
  socket.once('close', leave);
  raw.once('close', leave);
  if (raw.destroyed || socket.destroyed) leave();
  return gone.signal;
}
