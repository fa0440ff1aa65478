import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { problemType, ProblemList } from '../schemas/problems.js';
import { PROBLEMS, type ProblemCode } from '../src/errors.js';

/** Where the `type` of every problem points to. */
export const problemTypes: FastifyPluginAsyncTypebox = async (app) => {
  const codes = Object.keys(PROBLEMS) as ProblemCode[];
  const items = codes.map((code) => ({ type: problemType(code), ...PROBLEMS[code] }));
  app.get(
    '/problems',
    {
      config: { roles: 'open' },
      schema: {
        operationId: 'listProblems',
        summary: 'Every type of problem this service answers with',
        tags: ['health'],
        response: { 200: Ref(ProblemList, 'The types.') },
      },
    },
    async (): Promise<ProblemList> => ({ items }),
  );
};
