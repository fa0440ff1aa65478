import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Erasure, ErasureRequest } from '../schemas/erasures.js';
import { Problem, problems } from '../schemas/problems.js';
import { actorOf } from '../src/roles.js';
import type { Erasure as Erased, ErasureRequest as Request } from '../src/erase.js';

export interface ErasuresOptions {
  readonly erase: (request: Request) => Promise<Erased>;
}

export const erasures: FastifyPluginAsyncTypebox<ErasuresOptions> = async (app, { erase }) => {
  app.post(
    '/erasures',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'erase',
        summary: "Remove a page's or a pair's texts everywhere; asked again after a failure it goes on where it was",
        tags: ['erasures'],
        body: Ref(ErasureRequest),
        response: {
          200: Ref(Erasure, 'Neither the rows nor the database file hold the texts any more.'),
          ...problems(Problem, 400, 404, 413, 415, 500, 503),
        },
      },
    },
    async ({ body, principal }): Promise<Erasure> => {
      const { correction_ids, trained_on, ...erased } = await erase({ ...body, by: actorOf(principal) });
      return { ...erased, correction_ids: [...correction_ids], trained_on: [...trained_on] };
    },
  );
};
