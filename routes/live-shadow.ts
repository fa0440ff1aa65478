import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { LiveShadow, SetLiveShadow } from '../schemas/live-shadow.js';
import { Problem, problems } from '../schemas/problems.js';
import type { LiveShadow as UseCase } from '../src/live-shadow/live-shadow.js';
import { actorOf } from '../src/roles.js';

export interface LiveShadowOptions {
  readonly liveShadow: Pick<UseCase, 'get' | 'set'>;
}

const tags = ['adapters'];

export const liveShadow: FastifyPluginAsyncTypebox<LiveShadowOptions> = async (app, options) => {
  app.get(
    '/live-shadow',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getLiveShadow',
        summary: 'Which candidate judges beside what is active, and how often they agree',
        tags,
        response: { 200: Ref(LiveShadow, 'The live shadow, or the last one.'), ...problems(Problem, 500, 503) },
      },
    },
    async (): Promise<LiveShadow> => options.liveShadow.get(),
  );
  app.put(
    '/live-shadow',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'setLiveShadow',
        summary: 'Lets a candidate judge a share of the live traffic; clients never wait for it and never see it',
        tags,
        body: Ref(SetLiveShadow),
        response: {
          200: Ref(LiveShadow, 'It judges from here on.'),
          ...problems(Problem, 400, 409, 413, 415, 422, 500, 503),
        },
      },
    },
    async ({ body, principal }): Promise<LiveShadow> => options.liveShadow.set({ ...body, by: actorOf(principal) }),
  );
};
