import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import { Readiness, ReadinessQuery } from '../schemas/readiness.js';
import type { ReadinessOptions as Asked, ReadinessReport } from '../src/training-data/readiness.js';
import { readNumbers } from './wire/query.js';

export interface ReadinessOptions {
  readonly readiness: (asked: Asked) => Promise<ReadinessReport>;
}

export const readiness: FastifyPluginAsyncTypebox<ReadinessOptions> = async (app, options) => {
  app.get(
    '/training-runs/readiness',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getReadiness',
        summary: 'What a training run would train on now, and what it would leave out',
        tags: ['training'],
        querystring: ReadinessQuery,
        response: { 200: Ref(Readiness, 'The report.'), ...problems(ProblemSchema, 400, 500) },
      },
      preValidation: readNumbers(ReadinessQuery),
    },
    async ({ query }, reply) =>
      reply.type('application/json').send(Readable.from(piecesOf(await options.readiness(query))) as never),
  );
};

const ITEMS_PER_PIECE = 1000;

/** JSON of the report; its list may be long, and others are answered between its pieces. */
async function* piecesOf({ left_out: { counts, items }, ...rest }: ReadinessReport): AsyncGenerator<string> {
  yield `${JSON.stringify(rest).slice(0, -1)},"left_out":{"counts":${JSON.stringify(counts)},"items":[`;
  for (let from = 0; from < items.length; from += ITEMS_PER_PIECE) {
    yield `${from === 0 ? '' : ','}${JSON.stringify(items.slice(from, from + ITEMS_PER_PIECE)).slice(1, -1)}`;
    await setImmediate();
  }
  yield ']}}';
}
