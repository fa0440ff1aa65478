import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import {
  ActiveAdapter,
  AdapterFileParams,
  AdapterHistory,
  AdapterList,
  AdapterParams,
  IfMatch,
  PromoteRequest,
  RegisteredAdapter,
  RollbackRequest,
} from '../schemas/adapters.js';
import { PageQuery, Ref } from '../schemas/common.js';
import { Problem, problems } from '../schemas/problems.js';
import type { Page } from '../src/db/newest-first.js';
import { entityTag } from '../src/etag.js';
import type { AdapterItem, HistoryItem, Registry } from '../src/registry.js';
import { actorOf } from '../src/roles.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { importAdapter } from './adapter-import.js';
import { readNumbers } from './wire/query.js';

export interface AdaptersOptions {
  readonly registry: Omit<Registry, 'resolve' | 'classify' | 'fallback' | 'held'>;
  /** The largest body of an import, in bytes. */
  readonly adapterBytes: number;
}

const tags = ['adapters'];

export const adapters: FastifyPluginAsyncTypebox<AdaptersOptions> = async (app, options) => {
  await app.register(importAdapter, options);
  await app.register(readAdapters, options);
  await app.register(moveAlias, options);
};

const readAdapters: FastifyPluginAsyncTypebox<AdaptersOptions> = async (app, { registry }) => {
  app.get(
    '/adapters',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'listAdapters',
        summary: 'Every registered adapter, newest first',
        tags,
        querystring: PageQuery,
        response: { 200: Ref(AdapterList, 'A page of adapters.'), ...problems(Problem, 400, 500) },
      },
      preValidation: readNumbers(PageQuery),
    },
    async ({ query: { limit = DEFAULT_ITEMS, cursor } }): Promise<AdapterList> =>
      toPage(await registry.list({ limit, cursor }), toAdapter),
  );
  app.get(
    '/adapters/active',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getActiveAdapter',
        summary: 'What answers now; its ETag is the quoted digest, "base" for the base model alone',
        tags,
        response: { 200: Ref(ActiveAdapter, 'The active adapter, or none.'), ...problems(Problem, 500) },
      },
    },
    async (_request, reply): Promise<ActiveAdapter> => {
      reply.header('etag', registry.etag());
      const adapter = registry.active();
      return { adapter: adapter && toAdapter(adapter) };
    },
  );
  app.get(
    '/adapters/history',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'listAdapterHistory',
        summary: 'What was live when, newest first',
        tags,
        querystring: PageQuery,
        response: { 200: Ref(AdapterHistory, 'A page of moves.'), ...problems(Problem, 400, 500) },
      },
      preValidation: readNumbers(PageQuery),
    },
    async ({ query: { limit = DEFAULT_ITEMS, cursor } }): Promise<AdapterHistory> =>
      toPage(await registry.history({ limit, cursor }), (item: HistoryItem) => ({ ...item })),
  );
  app.get(
    '/adapters/:id',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getAdapter',
        summary: 'One adapter',
        tags,
        params: AdapterParams,
        response: { 200: Ref(RegisteredAdapter, 'The adapter.'), ...problems(Problem, 400, 404, 500) },
      },
    },
    async ({ params }): Promise<RegisteredAdapter> => toAdapter(await registry.get(params.id)),
  );
  app.get(
    '/adapters/:id/files/:name',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getAdapterFile',
        summary: 'One of the two files of its PEFT directory',
        tags,
        params: AdapterFileParams,
        response: { ...fileAnswers, ...problems(Problem, 400, 404, 409, 500) },
      },
    },
    async ({ params: { id, name } }, reply) => {
      const { size, sha256, content } = await registry.file(id, name);
      return reply
        .header('content-length', size)
        .header('etag', `"${sha256}"`)
        .header('content-disposition', `attachment; filename="${name}"`)
        .type(name.endsWith('.json') ? 'application/json' : 'application/octet-stream')
        .send(content);
    },
  );
};

const moveAlias: FastifyPluginAsyncTypebox<AdaptersOptions> = async (app, { registry }) => {
  app.post(
    '/adapters/:id/promote',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'promoteAdapter',
        summary: 'Makes it the one that answers; needs no body when a comparison recommends it',
        tags,
        params: AdapterParams,
        headers: IfMatch,
        body: Ref(PromoteRequest),
        response: {
          200: Ref(RegisteredAdapter, 'It answers from here on.'),
          ...problems(Problem, 400, 404, 409, 412, 413, 415, 500, 503),
        },
      },
      preValidation: bodyOrNone,
    },
    async ({ params, headers, body, principal }, reply): Promise<RegisteredAdapter> => {
      const { reason = null, force = false } = body;
      const request = { reason, force, ifMatch: headers['if-match'], ...actorOf(principal) };
      const adapter = await registry.promote(params.id, request);
      reply.header('etag', entityTag(adapter.digest));
      return toAdapter(adapter);
    },
  );
  app.post(
    '/adapters/rollback',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'rollBackAdapter',
        summary: 'Back to what was active before; again: one further back',
        tags,
        headers: IfMatch,
        body: Ref(RollbackRequest),
        response: {
          200: Ref(ActiveAdapter, 'What answers from here on.'),
          ...problems(Problem, 400, 409, 412, 413, 415, 500, 503),
        },
      },
      preValidation: bodyOrNone,
    },
    async ({ headers, body, principal }, reply): Promise<ActiveAdapter> => {
      const request = { reason: body.reason ?? null, ifMatch: headers['if-match'], ...actorOf(principal) };
      const adapter = await registry.rollback(request);
      reply.header('etag', entityTag(adapter?.digest ?? null));
      return { adapter: adapter && toAdapter(adapter) };
    },
  );
};

/** Sent as they are, so for nobody's reply type. */
const fileAnswers: Record<number, unknown> = {
  200: {
    description: 'The file; its ETag is its SHA-256.',
    content: {
      'application/json': { schema: { type: 'object' } },
      'application/octet-stream': { schema: { type: 'string', contentMediaType: 'application/octet-stream' } },
    },
  },
};

/** No body says the same as an empty one. */
async function bodyOrNone(request: FastifyRequest): Promise<void> {
  request.body ??= {};
}

const toAdapter = (item: AdapterItem): RegisteredAdapter => ({ ...item, target_modules: [...item.target_modules] });

const toPage = <T, U>({ items, next_cursor }: Page<T>, toItem: (item: T) => U) => ({
  items: items.map(toItem),
  next_cursor,
});
