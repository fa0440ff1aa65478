/** Clients that end their side of the connection when their request is whole, and wait for its answer. */
import type { FastifyInstance, FastifyReply } from 'fastify';

/** Most answers are there before it. */
const ASK_EVERY_MS = 250;
/** The first brings a reset back, which the next meets; a client far away needs some time for that. */
const QUESTIONS = 4;

/**
 * They get their answer. A client that has closed the connection looks the same from here until something is sent to it:
 * where the answer takes longer, `100 Continue`, which every client passes over, makes the connection of such a one break.
 */
export function answerHalfClosed(app: FastifyInstance): void {
  Object.assign(app.server, { httpAllowHalfOpen: true });
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw;
    let timer: NodeJS.Timeout | undefined;
    const ask = (questions: number): void => {
      if (questions === 0) return;
      timer = setTimeout(() => (provoke(reply), ask(questions - 1)), ASK_EVERY_MS);
    };
    const ended = (): void => ask(QUESTIONS);
    if (socket.readableEnded) ended();
    else socket.once('end', ended);
    reply.raw.once('close', () => {
      clearTimeout(timer);
      socket.off('end', ended);
    });
    done();
  });
}

/** HTTP/1.0 knows no interim answers; in an answer that has begun there is no place for one. */
function provoke({ raw, request }: FastifyReply): void {
  if (!raw.headersSent && request.raw.httpVersionMinor > 0) raw.writeContinue();
}
