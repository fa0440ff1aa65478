import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Problem, problems } from '../schemas/problems.js';
import {
  WebhookDelivery,
  WebhookDeliveryList,
  WebhookDeliveryParams,
  WebhookDeliveryQuery,
} from '../schemas/webhook-deliveries.js';
import type { Webhooks } from '../src/webhooks/webhooks.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { actorOf } from '../src/roles.js';
import { readNumbers } from './wire/query.js';

export interface WebhookDeliveriesOptions {
  readonly webhooks: Pick<Webhooks, 'list' | 'replay'>;
}

const tags = ['webhooks'];

export const webhookDeliveries: FastifyPluginAsyncTypebox<WebhookDeliveriesOptions> = async (app, { webhooks }) => {
  app.get(
    '/webhook-deliveries',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'listWebhookDeliveries',
        summary: 'What was told to whom, newest first; ended ones are kept for 30 days',
        tags,
        querystring: WebhookDeliveryQuery,
        response: { 200: Ref(WebhookDeliveryList, 'A page of deliveries.'), ...problems(Problem, 400, 500) },
      },
      preValidation: readNumbers(WebhookDeliveryQuery),
    },
    async ({ query: { limit = DEFAULT_ITEMS, ...filters } }): Promise<WebhookDeliveryList> =>
      webhooks.list({ limit, ...filters }),
  );
  app.post(
    '/webhook-deliveries/:id/replay',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'replayWebhookDelivery',
        summary: 'Send it again from now on, under the same webhook-id; needs no body',
        tags,
        params: WebhookDeliveryParams,
        response: {
          202: Ref(WebhookDelivery, 'It is under way.'),
          ...problems(Problem, 400, 404, 413, 415, 500, 503),
        },
      },
    },
    async ({ params, principal }, reply): Promise<WebhookDelivery> => {
      reply.code(202);
      return await webhooks.replay(params.id, actorOf(principal));
    },
  );
};
