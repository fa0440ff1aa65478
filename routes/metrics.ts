import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Exposition } from '../schemas/metrics.js';
import type { Metrics } from '../src/metrics.js';

export interface MetricsOptions {
  readonly metrics: Pick<Metrics, 'expose'>;
}

export const metrics: FastifyPluginAsyncTypebox<MetricsOptions> = async (app, options) => {
  app.get(
    '/metrics',
    {
      config: { roles: ['operator'], rateLimit: false },
      schema: {
        operationId: 'getMetrics',
        summary: 'Counters and durations in the text format of Prometheus',
        tags: ['health'],
        response: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: Exposition } } } },
      },
    },
    async (_request, reply) => {
      const { contentType, text } = await options.metrics.expose();
      return reply.type(contentType).send(text);
    },
  );
};
