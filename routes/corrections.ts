import { createHash } from 'node:crypto';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Ref } from '../schemas/common.js';
import {
  BatchFrame,
  Correction,
  CorrectionBody,
  CorrectionList,
  CorrectionParams,
  CorrectionQuery,
  CorrectionResults,
  IdempotencyHeaders,
  NewCorrection,
} from '../schemas/corrections.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import type { CorrectRequest, Corrections, Item, ItemError } from '../src/corrections/correct.js';
import type { Label } from '../src/labels.js';
import { toLabel } from '../src/labels.js';
import { Problem } from '../src/errors.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { actorOf, senderOf } from '../src/roles.js';
import { clientSignal } from './wire/client.js';
import { readItem, required, toItem } from './correction-items.js';
import { problemBody } from './wire/failure.js';
import { readNumbers } from './wire/query.js';

export type CorrectionFilters = Omit<CorrectionQuery, 'original_label' | 'correct_label' | 'limit'> & {
  readonly original_label?: Label;
  readonly correct_label?: Label;
  readonly limit: number;
};

export interface CorrectionLists {
  /** Newest first. */
  list(filters: CorrectionFilters): Promise<CorrectionList>;
  get(id: string): Promise<Correction | undefined>;
}

export interface CorrectionsOptions {
  readonly corrections: Corrections & CorrectionLists;
}

const tags = ['corrections'];

export const corrections: FastifyPluginAsyncTypebox<CorrectionsOptions> = async (app, { corrections: use }) => {
  app.post(
    '/corrections',
    {
      config: { roles: ['reviewer'] },
      schema: {
        operationId: 'correct',
        summary: 'Correct or confirm judgements: one, or up to 500',
        tags,
        headers: IdempotencyHeaders,
        body: CorrectionBody,
        response: {
          200: Ref(CorrectionResults, 'Of several: each stored, or with its own error.'),
          201: Ref(Correction, 'Of one: the row.'),
          ...problems(ProblemSchema, 400, 409, 413, 415, 422, 429, 500, 503),
        },
      },
      // Items are checked one by one in the handler: the fault of one is that one's error.
      attachValidation: true,
    },
    async (request, reply) => {
      const { items, several } = readBody(request);
      const idempotency = readKey(request);
      const sender = senderOf(request.principal);
      const results = await use.correct({ items, sender, idempotency, signal: clientSignal(reply) });
      if (several) return reply.code(200).send({ results: results.map(toWire) });
      const [only] = results;
      if (only === undefined) throw new Problem('internal', 'one correction has no result');
      if (only.error !== null) throw toProblem(only.error);
      return reply.code(201).send(only.correction);
    },
  );
  app.get(
    '/corrections',
    {
      config: { roles: ['reviewer'] },
      schema: {
        operationId: 'listCorrections',
        summary: 'Corrections and confirmations, newest first',
        tags,
        querystring: CorrectionQuery,
        response: { 200: Ref(CorrectionList, 'A page of corrections.'), ...problems(ProblemSchema, 400, 500) },
      },
      preValidation: readNumbers(CorrectionQuery),
    },
    async ({ query }): Promise<CorrectionList> => use.list(toFilters(query)),
  );
  app.get(
    '/corrections/:id',
    {
      config: { roles: ['reviewer'] },
      schema: {
        operationId: 'getCorrection',
        summary: 'One correction, also one that was replaced or withdrawn',
        tags,
        params: CorrectionParams,
        response: { 200: Ref(Correction, 'The correction.'), ...problems(ProblemSchema, 400, 404, 500) },
      },
    },
    async ({ params }): Promise<Correction> => {
      const found = await use.get(params.id);
      if (found === undefined) throw new Problem('not-found', 'there is no correction of this id');
      return found;
    },
  );
  app.post(
    '/corrections/:id/withdraw',
    {
      config: { roles: ['reviewer'] },
      schema: {
        operationId: 'withdrawCorrection',
        summary: 'Take a correction back',
        description: 'It stays in the history and is trained on no more. A second time changes nothing.',
        tags,
        params: CorrectionParams,
        response: {
          200: Ref(Correction, 'The correction, withdrawn.'),
          ...problems(ProblemSchema, 400, 404, 409, 413, 415, 500, 503),
        },
      },
    },
    async ({ params, principal }): Promise<Correction> => use.withdraw(params.id, actorOf(principal)),
  );
};

interface ReadBody {
  readonly items: Item[];
  readonly several: boolean;
}

const ONE = Ref(NewCorrection);

/** One correction, whose fault is the request's, or a batch, where it is the item's. */
function readBody(request: FastifyRequest): ReadBody {
  const { body } = request;
  const several = typeof body === 'object' && body !== null && 'corrections' in body;
  if (!several) return { items: [toItem({ value: required(readItem<NewCorrection>(request, ONE, body)) })], several };
  const { corrections: all } = required(readItem<BatchFrame>(request, BatchFrame, body));
  return { items: all.map((one) => toItem(readItem<NewCorrection>(request, ONE, one))), several };
}

function readKey(request: FastifyRequest): CorrectRequest['idempotency'] {
  const headers = required(readItem<IdempotencyHeaders>(request, IdempotencyHeaders, request.headers, 'headers'));
  const key = headers['idempotency-key'];
  return key === undefined ? undefined : { key, body_sha256: digest(request.body) };
}

function toProblem({ code, detail, errors }: ItemError): Problem {
  return new Problem(code, detail, { errors });
}

function toWire({ index, correction, error }: Awaited<ReturnType<Corrections['correct']>>[number]) {
  return { index, correction, error: error === null ? null : problemBody(toProblem(error)) };
}

/** Of what the body says, whatever the order of its members and its white space. */
function digest(body: unknown): string {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify(body, sorted)).digest('hex');
}

function toFilters({ original_label, correct_label, limit, ...rest }: CorrectionQuery): CorrectionFilters {
  const [original, correct] = [original_label, correct_label].map((word) =>
    word === undefined ? undefined : toLabel(word),
  );
  return {
    ...rest,
    ...(original !== undefined && { original_label: original }),
    ...(correct !== undefined && { correct_label: correct }),
    limit: limit ?? DEFAULT_ITEMS,
  };
}
