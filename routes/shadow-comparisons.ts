import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { PageQuery, Ref } from '../schemas/common.js';
import { Problem, problems } from '../schemas/problems.js';
import {
  ShadowComparison,
  ShadowComparisonItem,
  ShadowComparisonList,
  ShadowComparisonParams,
  ShadowComparisonRequest,
} from '../schemas/shadow-comparisons.js';
import type { Comparisons } from '../src/compare/compare.js';
import { comparisonPage, PAGE_POLICY } from '../src/pages/comparison-page.js';
import { actorOf } from '../src/roles.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { prefersHtml } from './wire/accept.js';
import { readNumbers } from './wire/query.js';

export interface ShadowComparisonsOptions {
  readonly comparisons: Pick<Comparisons, 'start' | 'get' | 'list'>;
}

export const shadowComparisons: FastifyPluginAsyncTypebox<ShadowComparisonsOptions> = async (app, { comparisons }) => {
  app.post(
    '/shadow-comparisons',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'startShadowComparison',
        summary: 'Compare an adapter with another on the held-out reviews',
        description: 'It is judged in the background, after the live traffic; one at a time.',
        tags: ['adapters'],
        body: Ref(ShadowComparisonRequest),
        response: {
          202: Ref(ShadowComparisonItem, 'Queued; `Location` tells where it can be read.'),
          ...problems(Problem, 400, 413, 415, 422, 429, 500, 503),
        },
      },
    },
    async ({ body, principal }, reply) => {
      const by = actorOf(principal);
      const item = await comparisons.start({ new: body.adapter, old: body.against ?? 'active', by });
      return reply.code(202).header('location', `/shadow-comparisons/${item.id}`).send(item);
    },
  );
  app.get(
    '/shadow-comparisons',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'listShadowComparisons',
        summary: 'Shadow comparisons, newest first',
        tags: ['adapters'],
        querystring: PageQuery,
        response: { 200: Ref(ShadowComparisonList, 'A page of comparisons.'), ...problems(Problem, 400, 500) },
      },
      preValidation: readNumbers(PageQuery),
    },
    async ({ query }) => comparisons.list({ limit: query.limit ?? DEFAULT_ITEMS, cursor: query.cursor }),
  );
  app.get(
    '/shadow-comparisons/:id',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getShadowComparison',
        summary: 'One shadow comparison with its report',
        description: 'With `Accept: text/html` a page for people that stands alone: one file, no script.',
        tags: ['adapters'],
        params: ShadowComparisonParams,
        response: { 200: COMPARISON, ...problems(Problem, 400, 404, 500) },
      },
    },
    async ({ params, headers }, reply) => {
      const comparison = await comparisons.get(params.id);
      reply.header('vary', 'accept');
      if (!prefersHtml(headers.accept)) return reply.send(comparison);
      return reply.type('text/html; charset=utf-8').headers(PAGE_HEADERS).send(comparisonPage(comparison));
    },
  );
};

const COMPARISON = {
  description: 'The comparison.',
  content: {
    'application/json': { schema: Ref(ShadowComparison) },
    'text/html': { schema: { type: 'string' } },
  },
};

const PAGE_HEADERS = {
  'content-security-policy': `${PAGE_POLICY}; frame-ancestors 'none'`,
  'referrer-policy': 'no-referrer',
};
