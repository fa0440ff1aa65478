/** The HTTP application: everything a request meets, from top to bottom. */
import swagger from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyServerOptions, LogController } from 'fastify';
import { routes, type RouteOptions } from '../routes/index.js';
import { guardRoutes } from '../routes/wire/access.js';
import { readJsonBodies } from '../routes/wire/body.js';
import { boundBodies, LONGEST_BODY_MS } from '../routes/wire/body-time.js';
import { closeGently } from '../routes/wire/closing.js';
import { trackExchanges } from '../routes/wire/exchanges.js';
import { answerClientError, answerProblem } from '../routes/wire/failure.js';
import { answerHalfClosed } from '../routes/wire/half-close.js';
import { secureHeaders } from '../routes/wire/headers.js';
import { limitRates } from '../routes/wire/rate-limit.js';
import { sharedSerializers } from '../routes/wire/serializers.js';
import { endStalled } from '../routes/wire/stalled.js';
import { components } from '../schemas/index.js';
import type { Access } from './access.js';
import { Problem } from './errors.js';
import { LIMITS } from './limits.js';
import type { Metrics } from './metrics.js';
import { openApiInfo } from './openapi-info.js';

export type Dependencies = Omit<RouteOptions, 'closing' | 'metrics'> & {
  readonly metrics: Metrics;
  readonly access: Access;
};

export interface AppOptions {
  /** Pino's options; nothing is logged without. */
  readonly logger?: Exclude<FastifyServerOptions['logger'], undefined>;
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs?: number;
  /** How long a client may take to read a piece of an answer: all of it, unless it is a stream. */
  readonly stallMs?: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs?: number;
  /** How long, while the app closes, a client may take to finish a request it has begun to send. */
  readonly closeGraceMs?: number;
  /** What a key, or an address while there is none, may ask in a minute; without, as much as it likes. */
  readonly unitsPerMinute?: number | null;
}

/** Builds the app; the caller listens and closes. `close` waits for the answers that are under way. */
export async function buildApp(dependencies: Dependencies, options: AppOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(serverOptions(options));
  app.setErrorHandler(answerProblem());
  app.setNotFoundHandler(() => {
    throw new Problem('not-found', 'there is nothing at this path');
  });
  readJsonBodies(app);
  boundBodies(app, options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS);
  for (const component of components) app.addSchema(component);
  const waiting = observe(app, dependencies.metrics);
  const closing = closeGently(app, waiting, options.closeGraceMs ?? 5_000);
  endStalled(app, options.stallMs ?? STALL_MS);
  answerHalfClosed(app);
  await secureHeaders(app);
  guardRoutes(app, dependencies.access);
  const { unitsPerMinute = null } = options;
  if (unitsPerMinute !== null) await limitRates(app, { unitsPerMinute, now: Date.now });
  await app.register(swagger, { openapi: openApiInfo, refResolver: { buildLocalReference: componentName } });
  await app.register(routes, { ...dependencies, closing });
  return app;
}

/** Both, with the second in which connections are looked at, are below the 20 s that a slow client may hold one. */
const REQUEST_TIMEOUT_MS = 15_000;
const STALL_MS = 15_000;

function serverOptions({ logger, requestTimeoutMs = REQUEST_TIMEOUT_MS, keepAliveTimeoutMs = 72_000 }: AppOptions) {
  return {
    logger: logger ?? false,
    // Fastify's own request lines hold the query string, and queries hold texts.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: LIMITS.body_bytes,
    // The server's own limit holds for every route, so it is that of the slowest; boundBodies keeps the others shorter.
    requestTimeout: LONGEST_BODY_MS,
    keepAliveTimeout: keepAliveTimeoutMs,
    // requestTimeout alone does not bound the headers, and is looked at every 30 s.
    http: {
      headersTimeout: Math.min(10_000, requestTimeoutMs),
      connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
    },
    // What a kept connection still sends while the app closes is answered, with `connection: close`.
    return503OnClosing: false,
    // Strict: nothing is coerced, dropped or filled in; the first fault ends the check, and brings its schema (verbose).
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        verbose: true,
      },
    },
    schemaController: { compilersFactory: { buildSerializer: sharedSerializers } },
    clientErrorHandler: answerClientError,
    frameworkErrors: answerProblem(),
  } as const;
}

/** Counts every request; those without an answer yet are given back. */
function observe(app: FastifyInstance, metrics: Metrics): ReturnType<typeof trackExchanges> {
  app.addHook('onSend', (_request, reply, payload, done) => {
    reply.header('x-content-type-options', 'nosniff');
    done(null, payload);
  });
  app.addHook('onClose', async () => metrics.close());
  return trackExchanges(app, ({ request, reply, seconds, answered }) => {
    const status = answered ? reply.statusCode : CLIENT_GONE;
    metrics.observeRequest(request.method, request.routeOptions.url ?? 'none', status, seconds);
  });
}

/** As nginx counts clients that went before their answer was sent. */
const CLIENT_GONE = 499;

const componentName = (schema: { $id?: unknown }, _uri: unknown, _fragment: string, index: number): string =>
  typeof schema.$id === 'string' ? schema.$id : `schema-${index}`;
