/** How the server ends: what was asked is answered, and no connection holds it up. */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** The requests without an answer yet. */
type Waiting = Pick<ReadonlyMap<IncomingMessage, unknown>, 'keys'>;

/** How often connections that became idle are looked for. */
const SWEEP_MS = 100;

/**
 * Replies say `connection: close` from the moment the app begins to close; idle connections are ended as they become
 * so, and after `graceMs` those that have not sent a whole request. Tells whether closing has begun.
 */
export function closeGently(app: FastifyInstance, waiting: Waiting, graceMs: number): () => boolean {
  const sockets = trackSockets(app);
  const timers: NodeJS.Timeout[] = [];
  let closing = false;
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close');
    done(null, payload);
  });
  app.addHook('preClose', async () => {
    closing = true;
    timers.push(setInterval(() => app.server.closeIdleConnections(), SWEEP_MS));
    timers.push(setTimeout(() => endUnasked(sockets, waiting), graceMs));
  });
  app.addHook('onClose', async () => timers.forEach(clearTimeout));
  return () => closing;
}

/** The connections that are open. */
export function trackSockets(app: FastifyInstance): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

/** Ends the connections of those who have not asked anything whole: it was not accepted, so nothing is lost. */
function endUnasked(sockets: ReadonlySet<Socket>, waiting: Waiting): void {
  const asked = new Set([...waiting.keys()].filter(({ complete }) => complete).map(({ socket }) => socket));
  for (const socket of sockets) if (!asked.has(socket)) socket.destroy();
}
