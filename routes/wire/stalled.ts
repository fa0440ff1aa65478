/** Clients that do not read their answer: their connection is ended, so that what waits for them takes no memory. */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { trackSockets } from './closing.js';

interface Progress {
  /** Bytes that the system has taken from us. */
  readonly sent: number;
  readonly at: number;
}

/** A connection to which no piece of an answer could be sent whole for `stallMs` is ended; a silent one has nothing to send. */
export function endStalled(app: FastifyInstance, stallMs: number): void {
  const sockets = trackSockets(app);
  const progress = new WeakMap<Socket, Progress>();
  const look = (socket: Socket): void => {
    const now = performance.now();
    const sent = socket.bytesWritten - socket.writableLength;
    const last = progress.get(socket);
    if (last === undefined || last.sent !== sent || socket.writableLength === 0)
      progress.set(socket, { sent, at: now });
    else if (now - last.at >= stallMs) socket.destroy();
  };
  const timer = setInterval(() => sockets.forEach(look), Math.min(1000, stallMs)).unref();
  app.addHook('onClose', async () => clearInterval(timer));
}
