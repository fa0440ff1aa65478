import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply } from 'fastify';
import { PageQuery, Ref } from '../schemas/common.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import {
  EventHeaders,
  StartTrainingRun,
  TrainingRun,
  TrainingRunDetail,
  TrainingRunList,
  TrainingRunParams,
} from '../schemas/training-runs.js';
import type { RunEvent } from '../src/db/training-run-rows.js';
import { Problem } from '../src/errors.js';
import { actorOf } from '../src/roles.js';
import type { Training } from '../src/train/train.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { clientSignal } from './wire/client.js';
import { EVENT_STREAM, eventStream, type ServerSentEvent } from './wire/event-stream.js';
import { readNumbers } from './wire/query.js';

export interface TrainingRunsOptions {
  readonly training: Pick<Training, 'start' | 'cancel' | 'get' | 'list' | 'events'>;
}

const tags = ['training'];

const EVENTS: Record<number, unknown> = {
  200: {
    description:
      'Events: `state`, `stage`, `started`, `step` (epoch, step, loss, learning_rate, samples_per_second, seconds_left), `epoch`, `adapter`, `comparison`, `interrupted`, `left_out`.',
    content: { [EVENT_STREAM]: { schema: { type: 'string' } } },
  },
  204: { type: 'null', description: 'The run has ended and Last-Event-ID was its last event: do not come again.' },
};

export const trainingRuns: FastifyPluginAsyncTypebox<TrainingRunsOptions> = async (app, { training }) => {
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());
  app.post(
    '/training-runs',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'startTrainingRun',
        summary: 'Train an adapter on the usable corrections; one run at a time, the others wait',
        tags,
        body: Ref(StartTrainingRun),
        response: {
          202: Ref(TrainingRun, 'The run, in the queue.'),
          ...problems(ProblemSchema, 400, 409, 413, 415, 500, 503),
        },
      },
    },
    async ({ body, principal }, reply): Promise<TrainingRun> => {
      reply.code(202);
      return await training.start({ ...body, principal });
    },
  );
  app.get(
    '/training-runs',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'listTrainingRuns',
        summary: 'Training runs, newest first',
        tags,
        querystring: PageQuery,
        response: { 200: Ref(TrainingRunList, 'A page of runs.'), ...problems(ProblemSchema, 400, 500) },
      },
      preValidation: readNumbers(PageQuery),
    },
    async ({ query: { limit = DEFAULT_ITEMS, cursor } }): Promise<TrainingRunList> => training.list({ limit, cursor }),
  );
  app.get(
    '/training-runs/:id',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'getTrainingRun',
        summary: 'One training run, with the manifest of what it was made of',
        tags,
        params: TrainingRunParams,
        response: { 200: Ref(TrainingRunDetail, 'The run.'), ...problems(ProblemSchema, 400, 404, 500) },
      },
    },
    async ({ params }): Promise<TrainingRunDetail> => found(training, params.id),
  );
  app.get(
    '/training-runs/:id/events',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'followTrainingRun',
        summary: 'What has happened in a run, then what happens, as server-sent events; ends with the run',
        tags,
        params: TrainingRunParams,
        headers: EventHeaders,
        response: { ...EVENTS, ...problems(ProblemSchema, 400, 404, 500) },
      },
    },
    async ({ params, headers }, reply): Promise<FastifyReply> => {
      const run = await found(training, params.id);
      const after = Number(headers['last-event-id'] ?? 0);
      const signal = AbortSignal.any([clientSignal(reply), closing.signal]);
      const events = training.events(run.id, after, signal);
      if (run.ended_at !== null && (await isEmpty(training.events(run.id, after, signal))))
        return reply.code(204).send();
      reply.type(EVENT_STREAM).header('cache-control', 'no-store').header('x-accel-buffering', 'no');
      return reply.send(eventStream(toServerSent(events)));
    },
  );
  app.post(
    '/training-runs/:id/cancel',
    {
      config: { roles: ['operator'] },
      schema: {
        operationId: 'cancelTrainingRun',
        summary: 'Take a run out of the queue, or end it within a step; needs no body',
        tags,
        params: TrainingRunParams,
        response: {
          200: Ref(TrainingRun, 'The run, cancelled.'),
          ...problems(ProblemSchema, 400, 404, 409, 413, 415, 500, 503),
        },
      },
    },
    async ({ params, principal }): Promise<TrainingRun> => training.cancel(params.id, actorOf(principal)),
  );
};

async function found(training: TrainingRunsOptions['training'], id: string): Promise<TrainingRunDetail> {
  const run = await training.get(id);
  if (run === undefined) throw new Problem('not-found', 'there is no training run of this id');
  return run;
}

async function isEmpty(events: AsyncIterable<unknown>): Promise<boolean> {
  for await (const _ of events) return false;
  return true;
}

async function* toServerSent(events: AsyncIterable<RunEvent>): AsyncGenerator<ServerSentEvent> {
  for await (const { seq, at, event } of events) yield { id: seq, event: event.type, data: { at, ...event } };
}
