/** Every request from its head to the end of its answer, whether that is sent or not. */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

export interface Exchange {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly seconds: number;
  /** False: the client went before its answer was sent. */
  readonly answered: boolean;
}

/**
 * The requests without an answer yet. `onEnd` is told of each once: Fastify's own onResponse is not called for an answer
 * whose connection is lost. A pipelined request has no connection of its own until its turn, so connections are watched too.
 */
export function trackExchanges(
  app: FastifyInstance,
  onEnd: (exchange: Exchange) => void,
): Pick<ReadonlyMap<IncomingMessage, unknown>, 'keys'> {
  const ends = new Map<IncomingMessage, () => void>();
  const end = (raw: IncomingMessage): void => {
    const tell = ends.get(raw);
    ends.delete(raw);
    tell?.();
  };
  app.addHook('onRequest', (request, reply, done) => {
    const started = performance.now();
    ends.set(request.raw, () => {
      const seconds = (performance.now() - started) / 1000;
      onEnd({ request, reply, seconds, answered: reply.raw.writableFinished });
    });
    reply.raw.once('close', () => end(request.raw));
    done();
  });
  app.server.on('connection', (socket) => {
    socket.once('close', () => [...ends.keys()].filter((raw) => raw.socket === socket).forEach(end));
  });
  return ends;
}
