import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { PageQuery, Ref } from '../schemas/common.js';
import { Erasure, ErasureList, ErasureRequest } from '../schemas/erasures.js';
import { Problem, problems } from '../schemas/problems.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { actorOf } from '../src/roles.js';
import type { ErasureItem } from '../src/db/erasures.js';
import type { Page, PageRequest } from '../src/db/newest-first.js';
import type { Erasure as Erased, ErasureRequest as Request } from '../src/erase.js';
import { readNumbers } from './wire/query.js';

export interface ErasuresOptions {
  readonly erase: (request: Request) => Promise<Erased>;
  /** Newest first. */
  readonly erasures: (page: PageRequest) => Promise<Page<ErasureItem>>;
}

export const erasures: FastifyPluginAsyncTypebox<ErasuresOptions> = async (app, { erase, erasures: list }) => {
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
  app.get(
    '/erasures',
    {
      config: { roles: ['operator', 'admin'] },
      schema: {
        operationId: 'listErasures',
        summary: 'What was erased by whom and why, newest first; none of the texts',
        tags: ['erasures'],
        querystring: PageQuery,
        response: { 200: Ref(ErasureList, 'A page of erasures.'), ...problems(Problem, 400, 500, 503) },
      },
      preValidation: readNumbers(PageQuery),
    },
    async ({ query: { limit = DEFAULT_ITEMS, cursor } }): Promise<ErasureList> => {
      const { items, next_cursor } = await list({ limit, cursor });
      return { items: items.map(toItem), next_cursor };
    },
  );
};

const toItem = ({ predictions, corrections, texts, answers, flips, actor, ...row }: ErasureItem) => ({
  ...row,
  actor: actor ?? 'anonymous',
  removed: { predictions, corrections, texts, answers, flips },
});
