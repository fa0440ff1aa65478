import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { EmbedRequest, EmbedResponse } from '../schemas/embed.js';
import { EmbedProblem, problems } from '../schemas/problems.js';
import type { Embedding } from '../src/embedding.js';
import { Problem } from '../src/errors.js';
import { clientSignal } from './wire/client.js';
import { answerProblem } from './wire/failure.js';

export interface EmbedOptions {
  /** null without ERRATA_EMBED_URL. */
  readonly embedding: Pick<Embedding, 'embed'> | null;
}

/** Passed on as bytes, whatever its status: so for nobody's reply type. */
const answers: Record<number, unknown> = {
  200: { description: 'What that server answered.', content: { 'application/json': { schema: Ref(EmbedResponse) } } },
};

export const embed: FastifyPluginAsyncTypebox<EmbedOptions> = async (app, { embedding }) => {
  // The request is held until it is whole, so that its size is checked and a slow client holds no connection behind us.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post(
    '/embed',
    {
      config: { roles: ['upstream'] },
      schema: {
        operationId: 'embed',
        summary: 'Passes through to the server at ERRATA_EMBED_URL',
        tags: ['embedding'],
        body: { content: { 'application/json': { schema: Ref(EmbedRequest) } } },
        response: { ...answers, ...problems(EmbedProblem, 413, 415, 500, 501, 502) },
      },
      validatorCompiler: () => () => true,
      errorHandler: answerProblem(({ detail }) => ({ ok: false, embeddings: [], error: detail })),
    },
    async (request, reply) => {
      if (embedding === null) throw new Problem('not-configured', 'ERRATA_EMBED_URL is not set');
      const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
      const type = request.headers['content-type'] ?? 'application/json';
      const answer = await embedding.embed(body, type, clientSignal(reply));
      return reply.code(answer.status).type('application/json').send(answer.body);
    },
  );
};
