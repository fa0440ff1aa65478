/** A known path under a method it does not take is answered 405 with Allow, not 404. */
import type { FastifyInstance } from 'fastify';
import { Problem } from '../../src/errors.js';

/** Notes each path registered from here on, with its methods. */
export function noteMethods(app: FastifyInstance): Map<string, Set<string>> {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set<string>();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  return methods;
}

/** To be called when every route is registered. Refuses before the body is read. */
export function refuseOtherMethods(app: FastifyInstance, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  // The routes added here are noted too, so what was there is taken first.
  const allowed = Array.from(methods, ([url, known]) => ({ url, known, allow: [...known].join(', ') }));
  for (const { url, known, allow } of allowed) {
    const detail = `this path takes ${allow}`;
    app.route({
      method: app.supportedMethods.filter((method) => !known.has(method)),
      url,
      config: { roles: 'open' },
      schema: { hide: true },
      onRequest: async (_request, reply) => {
        reply.header('allow', allow);
        throw new Problem('method-not-allowed', detail);
      },
      handler: () => undefined,
    });
  }
}
