/** How long a client may take to send a body: a time for all routes, another for those that say so (`config.bodyTimeoutMs`). */
import type { IncomingMessage } from 'node:http';
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

/** At which a body has to come that is given longer than others. */
const LEAST_BYTES_PER_SECOND = 500;

/** A body that is not there in time, or where that is long comes more slowly than a trickle, ends its connection with 408. */
export function boundBodies(app: FastifyInstance, timeoutMs: number): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { raw } = request;
    if (raw.headers['content-length'] === undefined && raw.headers['transfer-encoding'] === undefined) return done();
    const end = () => answerClientError(late(), raw.socket);
    const { bodyTimeoutMs } = request.routeOptions.config;
    const timer = setTimeout(end, bodyTimeoutMs ?? timeoutMs);
    const watch = bodyTimeoutMs === undefined ? undefined : watchPace(raw, timeoutMs, end);
    const clear = () => {
      clearTimeout(timer);
      clearInterval(watch);
    };
    raw.once('end', clear).once('close', clear);
    done();
  });
}

/** Ends a body for which we have waited `timeoutMs`, and as long again as what came should have taken. */
function watchPace(raw: IncomingMessage, timeoutMs: number, end: () => void): NodeJS.Timeout {
  const everyMs = Math.min(1000, timeoutMs);
  const before = raw.socket.bytesRead;
  let waitedMs = 0;
  return setInterval(() => {
    // What has come and is not taken yet waits for us, not we for it.
    if (raw.readableLength === 0) waitedMs += everyMs;
    const came = raw.socket.bytesRead - before;
    if (waitedMs > timeoutMs + (1000 * came) / LEAST_BYTES_PER_SECOND) end();
  }, everyMs);
}
