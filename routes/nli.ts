import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { DeadlineHeaders } from '../schemas/deadline.js';
import { NliRequest, NliResponse } from '../schemas/nli.js';
import { NliProblem, problems } from '../schemas/problems.js';
import { Ref } from '../schemas/common.js';
import type { Admission, Judge } from '../src/judge/judge.js';
import { UNNAMED_PAIR } from '../src/limits.js';
import type { Judgement, JudgePair } from '../src/judge/judgement.js';
import type { Metrics } from '../src/metrics.js';
import { clientSignal } from './wire/client.js';
import { readDeadlines } from './wire/deadline.js';
import { answerProblem } from './wire/failure.js';

export interface NliOptions {
  readonly judge: Judge & Admission;
  readonly metrics: Pick<Metrics, 'countPairs'>;
}

export const nli: FastifyPluginAsyncTypebox<NliOptions> = async (app, { judge, metrics }) => {
  readDeadlines(app);
  app.post(
    '/nli',
    {
      config: { roles: ['upstream'], units: ({ pairs }: NliRequest) => pairs.length },
      schema: {
        operationId: 'judge',
        summary: 'Judge pairs of premise and hypothesis',
        tags: ['judging'],
        headers: DeadlineHeaders,
        body: Ref(NliRequest),
        response: {
          200: Ref(NliResponse, 'Every pair, judged or with its own error.'),
          ...problems(NliProblem, 400, 413, 415, 422, 429, 500, 503),
        },
      },
      // Before the body is read and parsed: what is refused has to be cheap.
      onRequest: async ({ headers, deadline }) =>
        judge.refuseHopeless(Number(headers['content-length'] ?? 0), deadline),
      errorHandler: answerProblem(({ detail }) => ({ ok: false, error: detail, results: [] })),
    },
    async ({ body, principal, deadline }, reply): Promise<NliResponse> => {
      const answer = await judge.judge({
        pairs: body.pairs.map(toPair),
        adapter: body.adapter ?? 'active',
        key_id: principal.key_id,
        signal: clientSignal(reply),
        deadline,
      });
      countLabels(metrics, answer.results);
      return { ok: true, error: null, ...answer };
    },
  );
};

function toPair(pair: NliRequest['pairs'][number]): JudgePair {
  return {
    pair_id: pair.pair_id ?? UNNAMED_PAIR,
    premise: pair.premise,
    nli_hypothesis: pair.nli_hypothesis ?? pair.hypothesis ?? '',
    page_id: pair.page_id ?? null,
  };
}

function countLabels(metrics: NliOptions['metrics'], results: readonly Judgement[]): void {
  const counts = new Map<string, number>();
  for (const { label, error } of results) {
    const name = error === null ? label : 'error';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const [label, count] of counts) metrics.countPairs(label, count);
}
