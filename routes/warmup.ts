import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Problem, problems } from '../schemas/problems.js';
import { Warmup } from '../schemas/warmup.js';
import type { Engine } from '../src/engine/engine.js';

export interface WarmupOptions {
  readonly engine: Pick<Engine, 'warmUp'>;
}

export const warmup: FastifyPluginAsyncTypebox<WarmupOptions> = async (app, { engine }) => {
  app.post(
    '/warmup',
    {
      config: { roles: ['upstream'] },
      schema: {
        operationId: 'warmUp',
        summary: 'Answers when the model is loaded and has judged once; needs no body',
        tags: ['health'],
        response: { 200: Ref(Warmup, 'It is warm.'), ...problems(Problem, 400, 413, 415, 500, 503) },
      },
    },
    async (): Promise<Warmup> => {
      await engine.warmUp();
      return { ok: true, message: 'the model is loaded and has judged once' };
    },
  );
};
