/** Clients that do not read their answer: their connection is ended, so that what waits for them takes no memory. */
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** An answer of which nothing could be sent for `stallMs` ends its connection; one that has nothing to send may be silent. */
export function endStalled(app: FastifyInstance, stallMs: number): void {
  app.addHook('onSend', (_request, { raw }, payload, done) => {
    // A pipelined request's answer has no connection until its turn.
    if (raw.socket === null) raw.once('socket', (socket: Socket) => watch(raw, socket, stallMs));
    else watch(raw, raw.socket, stallMs);
    done(null, payload);
  });
}

function watch(raw: FastifyReply['raw'], socket: Socket, stallMs: number): void {
  socket.setTimeout(stallMs);
  raw.on('timeout', () => {
    if (socket.writableLength > 0) socket.destroy();
    else socket.setTimeout(stallMs);
  });
  raw.once('finish', () => {
    // The server's own timeout, for what comes next, is set already where there is one.
    if (socket.timeout === stallMs) socket.setTimeout(0);
  });
}
