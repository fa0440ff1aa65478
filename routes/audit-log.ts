import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { AuditLog } from '../schemas/audit-log.js';
import { PageQuery, Ref } from '../schemas/common.js';
import { Problem, problems } from '../schemas/problems.js';
import type { AuditItem } from '../src/db/audit.js';
import type { Page, PageRequest } from '../src/db/newest-first.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { readNumbers } from './wire/query.js';

export interface AuditLogOptions {
  /** Newest first. */
  readonly auditLog: (page: PageRequest) => Promise<Page<AuditItem>>;
}

export const auditLog: FastifyPluginAsyncTypebox<AuditLogOptions> = async (app, options) => {
  app.get(
    '/audit-log',
    {
      config: { roles: ['operator', 'admin'] },
      schema: {
        operationId: 'listAuditLog',
        summary: 'Every write act, newest first: who did what to what',
        tags: ['audit'],
        querystring: PageQuery,
        response: { 200: Ref(AuditLog, 'A page of acts.'), ...problems(Problem, 400, 500, 503) },
      },
      preValidation: readNumbers(PageQuery),
    },
    async ({ query: { limit = DEFAULT_ITEMS, cursor } }): Promise<AuditLog> => options.auditLog({ limit, cursor }),
  );
};
