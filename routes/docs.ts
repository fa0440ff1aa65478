/** /docs: the API for people, from this server alone. */
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyPluginAsync } from 'fastify';
import { declareRoles } from './wire/access.js';

export const docs: FastifyPluginAsync = async (app) => {
  declareRoles(app, 'open');
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: POLICY });
};

/** Its own files and the API beside them; styles that it sets on its elements, images that it holds in itself. */
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};
