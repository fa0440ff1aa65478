import Type, { type Static } from 'typebox';
import { PROBLEMS, type ProblemCode } from '../src/errors.js';
import { closed, Ref } from './common.js';

export const problemType = (code: ProblemCode): string => `/problems#${code}`;

const codes = Object.keys(PROBLEMS) as ProblemCode[];

const fields = {
  type: Type.Unsafe<string>({
    type: 'string',
    enum: codes.map(problemType),
    description: codes
      .map((code) => `- \`${problemType(code)}\` (${PROBLEMS[code].status}): ${PROBLEMS[code].title}`)
      .join('\n'),
  }),
  title: Type.String(),
  status: Type.Integer({ minimum: 400, maximum: 599 }),
  detail: Type.String({
    description: 'What is wrong with this request; a fault of the service says nothing of its inside.',
  }),
  errors: Type.Array(
    Type.Object(
      {
        pointer: Type.String({
          description: 'A JSON pointer into the body, or the name of a query or path parameter.',
        }),
        detail: Type.String(),
      },
      closed,
    ),
    { description: 'The faults that have a place in the request.' },
  ),
};

const example = {
  type: problemType('invalid-request'),
  title: PROBLEMS['invalid-request'].title,
  status: PROBLEMS['invalid-request'].status,
  detail: '/pairs/3/premise must be a string',
  errors: [{ pointer: '/pairs/3/premise', detail: 'must be a string' }],
};

export const Problem = Type.Object(fields, {
  ...closed,
  $id: 'Problem',
  description: 'RFC 9457 problem details.',
  examples: [example],
});
export type Problem = Static<typeof Problem>;

const failed = {
  ok: Type.Unsafe<false>({ type: 'boolean', const: false }),
  error: Type.String({ description: 'The detail again.' }),
};

export const NliProblem = Type.Object(
  { ...fields, ...failed, results: Type.Array(Type.Unknown(), { maxItems: 0 }) },
  {
    $id: 'NliProblem',
    ...closed,
    description: 'A problem in the shape that clients of POST /nli read.',
    examples: [{ ok: false, error: example.detail, results: [], ...example }],
  },
);

export const EmbedProblem = Type.Object(
  { ...fields, ...failed, embeddings: Type.Array(Type.Unknown(), { maxItems: 0 }) },
  { $id: 'EmbedProblem', ...closed, description: 'A problem in the shape that clients of POST /embed read.' },
);

export const ProblemList = Type.Object(
  {
    items: Type.Array(Type.Object({ type: Type.String(), title: Type.String(), status: Type.Integer() }, closed)),
  },
  { $id: 'ProblemList', ...closed },
);
export type ProblemList = Static<typeof ProblemList>;

type ProblemSchema = typeof Problem | typeof NliProblem | typeof EmbedProblem;

/** The responses of a route that may fail with these statuses. */
export function problems(schema: ProblemSchema, ...statuses: readonly number[]): Record<number, unknown> {
  const content = { 'application/problem+json': { schema: Ref(schema) } };
  return Object.fromEntries(statuses.map((status) => [status, { description: titles(status), content }]));
}

const titles = (status: number): string =>
  Object.values(PROBLEMS)
    .filter((problem) => problem.status === status)
    .map(({ title }) => title)
    .join('; ');
