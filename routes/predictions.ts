import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Ref } from '../schemas/common.js';
import { Prediction, PredictionList, PredictionParams, PredictionQuery } from '../schemas/predictions.js';
import { Problem as ProblemSchema, problems } from '../schemas/problems.js';
import { Problem } from '../src/errors.js';
import { toLabel, type Label } from '../src/labels.js';
import type { Principal } from '../src/roles.js';
import { DEFAULT_ITEMS } from '../src/limits.js';
import { readNumbers } from './wire/query.js';

export type PredictionFilters = Omit<PredictionQuery, 'label' | 'limit'> & {
  readonly label?: Label;
  /** Only what this API key asked for. */
  readonly key_id?: string;
  readonly limit: number;
};

export interface Predictions {
  /** Newest first, unless `review` orders them. */
  list(filters: PredictionFilters): Promise<PredictionList>;
  /** With `key_id`: only what this API key asked for. */
  get(id: string, key_id?: string): Promise<Prediction | undefined>;
}

export interface PredictionsOptions {
  readonly predictions: Predictions;
}

export const predictions: FastifyPluginAsyncTypebox<PredictionsOptions> = async (app, options) => {
  app.get(
    '/predictions',
    {
      config: { roles: ['upstream', 'reviewer', 'operator'] },
      schema: {
        operationId: 'listPredictions',
        summary: 'Recorded judgements, newest first',
        tags: ['predictions'],
        querystring: PredictionQuery,
        response: { 200: Ref(PredictionList, 'A page of judgements.'), ...problems(ProblemSchema, 400, 500, 503) },
      },
      preValidation: readNumbers(PredictionQuery),
    },
    async ({ query, principal }): Promise<PredictionList> => {
      const key_id = ownOnly(principal);
      return options.predictions.list({ ...toFilters(query), ...(key_id !== undefined && { key_id }) });
    },
  );
  app.get(
    '/predictions/:id',
    {
      config: { roles: ['upstream', 'reviewer', 'operator'] },
      schema: {
        operationId: 'getPrediction',
        summary: 'One recorded judgement',
        tags: ['predictions'],
        params: PredictionParams,
        response: { 200: Ref(Prediction, 'The judgement.'), ...problems(ProblemSchema, 400, 404, 500, 503) },
      },
    },
    async ({ params, principal }): Promise<Prediction> => {
      const found = await options.predictions.get(params.id, ownOnly(principal));
      if (found === undefined) throw new Problem('not-found', 'there is no prediction of this id');
      return found;
    },
  );
};

/** An upstream sees what it asked for; what others did is not there for it. */
const ownOnly = ({ role, key_id }: Principal): string | undefined =>
  role === 'upstream' ? (key_id ?? undefined) : undefined;

function toFilters({ label, limit, ...rest }: PredictionQuery): PredictionFilters {
  const word = label === undefined ? undefined : toLabel(label);
  return { ...rest, ...(word !== undefined && { label: word }), limit: limit ?? DEFAULT_ITEMS };
}
