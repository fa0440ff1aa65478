/** How long a client may take to send a body: a time for all routes, another for those that say so (`config.bodyTimeoutMs`). */
import type { FastifyInstance } from 'fastify';
import { answerClientError } from './failure.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Milliseconds; at most LONGEST_BODY_MS. */
    bodyTimeoutMs?: number;
  }
}

/** The most that any route may give. */
export const LONGEST_BODY_MS = 60 * 60 * 1000;

/** Made when it is needed: an error costs its stack, which is more than the rest of this hook. */
const late = (): Error =>
  Object.assign(new Error('the body did not come in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });

/** A body that is not there in time ends its connection with 408. */
export function boundBodies(app: FastifyInstance, timeoutMs: number): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { raw } = request;
    if (raw.headers['content-length'] === undefined && raw.headers['transfer-encoding'] === undefined) return done();
    const end = () => answerClientError(late(), raw.socket);
    const timer = setTimeout(end, request.routeOptions.config.bodyTimeoutMs ?? timeoutMs);
    const clear = () => clearTimeout(timer);
    raw.once('end', clear).once('close', clear);
    done();
  });
}
