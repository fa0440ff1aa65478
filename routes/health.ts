import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Health, Probe } from '../schemas/health.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import type { Embedding } from '../src/embedding.js';
import type { Engine } from '../src/engine/engine.js';
import { Problem } from '../src/errors.js';

export interface HealthOptions {
  readonly engine: Pick<Engine, 'status'>;
  readonly embedding: Pick<Embedding, 'ready'> | null;
  /** Whether answers may leave as far as their record is concerned. */
  recording(): boolean;
  /** Whether the app has begun to close. */
  closing(): boolean;
}

export const health: FastifyPluginAsyncTypebox<HealthOptions> = async (app, options) => {
  const { engine, embedding } = options;
  app.get(
    '/health',
    {
      config: { roles: 'open' },
      schema: {
        operationId: 'getHealth',
        summary: 'Which models are loaded',
        tags: ['health'],
        response: { 200: Ref(Health, 'The process runs.'), ...problems(ProblemSchema, 500) },
      },
    },
    async (): Promise<Health> => ({
      status: 'ok',
      models_loaded: { nli: engine.status().ready, embedding: (await embedding?.ready()) ?? false },
    }),
  );
  app.get(
    '/health/live',
    { ...OPEN_TO_ALL, schema: probe('isLive', 'Whether the process runs') },
    async (): Promise<Probe> => ({
      status: 'ok',
    }),
  );
  app.get(
    '/health/ready',
    { ...OPEN_TO_ALL, schema: probe('isReady', 'Whether it takes work now', 503) },
    async (): Promise<Probe> => {
      const hindrance = hindranceOf(options);
      if (hindrance !== undefined) throw new Problem('not-ready', hindrance);
      return { status: 'ok' };
    },
  );
};

function hindranceOf({ engine, closing, recording }: HealthOptions): string | undefined {
  if (closing()) return 'the service is closing';
  if (!engine.status().ready) return 'no inference child can answer yet';
  return recording() ? undefined : 'judgements must be recorded, and the database is not written to';
}

const OPEN_TO_ALL = { config: { roles: 'open' } } as const;

const probe = (operationId: string, summary: string, ...statuses: number[]) => ({
  operationId,
  summary,
  tags: ['health'],
  response: { 200: Ref(Probe, 'Yes.'), ...problems(ProblemSchema, 500, ...statuses) },
});
