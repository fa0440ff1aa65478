/** How long a client waits for its answer: a header, counted from when the request's head was read. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { DEADLINE_HEADER } from '../../schemas/deadline.js';
import { DEADLINE_MS } from '../../src/limits.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** In the clock of performance.now(). */
    deadline: number;
  }
}

/** For the routes registered after it whose schema has the header. */
export function readDeadlines(app: FastifyInstance): void {
  app.decorateRequest('deadline', 0);
  app.addHook('onRequest', async (request) => {
    const given = millisecondsOf(request);
    if (given !== undefined) request.headers[DEADLINE_HEADER] = given as unknown as string;
    request.deadline = performance.now() + Math.min(given ?? DEADLINE_MS.usual, DEADLINE_MS.most);
  });
}

/** What is no whole number stays text, which the schema refuses. */
function millisecondsOf({ headers }: FastifyRequest): number | undefined {
  const text = headers[DEADLINE_HEADER];
  return typeof text === 'string' && /^[1-9]\d*$/.test(text) ? Number(text) : undefined;
}
