import Type, { type Static } from 'typebox';
import { LIMITS, UNNAMED_PAIR } from '../src/limits.js';
import { Adapter, closed, LabelSchema, Nullable, Ref, Scores, Text } from './common.js';

const characters = `at most ${LIMITS.characters_per_text} characters; a longer or empty one is the error of this pair alone`;

/** One of the two names. Of what is no object exactly one branch holds, so that its type is the fault that is told. */
const eitherHypothesis = [{ required: ['nli_hypothesis'] }, { type: 'object', required: ['hypothesis'] }];

export const Pair = Type.Object(
  {
    pair_id: Type.Optional(
      Text({ maxLength: 512, default: UNNAMED_PAIR, description: 'Comes back in the result; may repeat.' }),
    ),
    premise: Text({ description: `What is known, ${characters}.` }),
    nli_hypothesis: Type.Optional(Text({ description: `What is claimed, ${characters}.` })),
    hypothesis: Type.Optional(Text({ description: 'Another name for nli_hypothesis.' })),
    page_id: Type.Optional(Nullable(Text({ maxLength: 512, description: 'The page the premise is from.' }))),
  },
  { ...closed, $id: 'Pair', oneOf: eitherHypothesis },
);

export const NliRequest = Type.Object(
  {
    pairs: Type.Array(Ref(Pair), {
      maxItems: LIMITS.pairs_per_request,
      description: `At most ${LIMITS.pairs_per_request} (more: 413). None is allowed: the answer then has no results.`,
    }),
    adapter: Type.Optional(
      Text({
        minLength: 1,
        maxLength: 128,
        default: 'active',
        description: '`active`, `base` (no adapter), a version or an id. An unknown one: 422.',
      }),
    ),
  },
  {
    ...closed,
    $id: 'NliRequest',
    examples: [
      {
        pairs: [
          {
            pair_id: 'c1:f9',
            premise: 'A man is playing a guitar on stage.',
            nli_hypothesis: 'A man is performing music.',
            page_id: 'p7',
          },
        ],
        adapter: 'active',
      },
    ],
  },
);
export type NliRequest = Static<typeof NliRequest>;

export const Result = Type.Object(
  {
    pair_id: Type.String(),
    prediction_id: Nullable(Type.String({ description: 'The recorded judgement; null when it was not recorded.' })),
    label: Ref(LabelSchema),
    confidence: Type.Number({ minimum: 0, maximum: 1, description: 'The largest score, unrounded.' }),
    raw_label: Nullable(Type.String({ description: "The checkpoint's own word for the label." })),
    scores: Nullable(Scores),
    truncated: Type.Boolean({ description: "The premise's end was cut to fit the model." }),
    error: Nullable(
      Type.String({ description: 'Why this pair was not judged; then label is neutral, confidence 0, scores null.' }),
    ),
  },
  { ...closed, $id: 'Result' },
);

export const NliResponse = Type.Object(
  {
    ok: Type.Boolean(),
    error: Nullable(Type.String()),
    model: Type.String(),
    adapter: Nullable(Adapter),
    results: Type.Array(Ref(Result), { description: 'In the order of the pairs, one for each.' }),
  },
  {
    ...closed,
    $id: 'NliResponse',
    examples: [
      {
        ok: true,
        error: null,
        model: 'nli-deberta-v3-tiny',
        adapter: null,
        results: [
          {
            pair_id: 'c1:f9',
            prediction_id: '0198c7f2-6d3e-7c1a-9a51-3f2b8c0d4e5f',
            label: 'supports',
            confidence: 0.97,
            raw_label: 'entailment',
            scores: { supports: 0.97, refutes: 0.01, neutral: 0.02 },
            truncated: false,
            error: null,
          },
        ],
      },
    ],
  },
);
export type NliResponse = Static<typeof NliResponse>;
