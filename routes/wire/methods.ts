/** A known path under a method it does not take is answered 405 with Allow, not 404. */
import type { FastifyInstance, RouteOptions } from 'fastify';
import { Problem } from '../../src/errors.js';

interface Path {
  readonly methods: Set<string>;
  /** What errors look like here. */
  readonly errorHandler: RouteOptions['errorHandler'];
}

/** Notes each path registered from here on, with its methods. */
export function noteMethods(app: FastifyInstance): Map<string, Path> {
  const paths = new Map<string, Path>();
  app.addHook('onRoute', ({ url, method, errorHandler }) => {
    const path = paths.get(url) ?? { methods: new Set(), errorHandler };
    for (const one of [method].flat()) path.methods.add(one);
    paths.set(url, path);
  });
  return paths;
}

/** To be called when every route is registered. Refuses before the body is read. */
export function refuseOtherMethods(app: FastifyInstance, paths: ReadonlyMap<string, Path>): void {
  // The routes added here are noted too, so what was there is taken first.
  const known = Array.from(paths, ([url, { methods, errorHandler }]) => ({ url, allowed: [...methods], errorHandler }));
  for (const { url, allowed, errorHandler } of known) {
    const allow = allowed.join(', ');
    const detail = `this path takes ${allow}`;
    app.route({
      method: app.supportedMethods.filter((method) => !allowed.includes(method)),
      url,
      config: { roles: 'open' },
      schema: { hide: true },
      ...(errorHandler && { errorHandler }),
      onRequest: async (_request, reply) => {
        reply.header('allow', allow);
        throw new Problem('method-not-allowed', detail);
      },
      handler: () => undefined,
    });
  }
}
