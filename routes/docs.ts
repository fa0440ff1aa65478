/** /docs: the API for people, from this server alone. */
import helmet from '@fastify/helmet';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';

export const docs: FastifyPluginAsync = async (app) => {
  // The interface brings its own content security policy.
  await app.register(helmet, { contentSecurityPolicy: false });
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true, transformStaticCSP: overHttp });
};

/** This service speaks plain HTTP: browsers that were told to upgrade would find nothing but the page itself. */
const overHttp = (policy: string): string => policy.replace(/;?\s*upgrade-insecure-requests/, '');
