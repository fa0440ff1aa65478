import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import { Readiness, ReadinessQuery } from '../schemas/readiness.js';
import type { ReadinessOptions as Asked, ReadinessReport } from '../src/readiness.js';
import { readNumbers } from './wire/query.js';

export interface ReadinessOptions {
  readonly readiness: (asked: Asked) => Promise<ReadinessReport>;
}

export const readiness: FastifyPluginAsyncTypebox<ReadinessOptions> = async (app, options) => {
  app.get(
    '/training-runs/readiness',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getReadiness',
        summary: 'What a training run would train on now, and what it would leave out',
        tags: ['training'],
        querystring: ReadinessQuery,
        response: { 200: Ref(Readiness, 'The report.'), ...problems(ProblemSchema, 400, 500) },
      },
      preValidation: readNumbers(ReadinessQuery),
    },
    async ({ query }) => (await options.readiness(query)) as Readiness,
  );
};
