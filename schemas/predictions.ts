import Type, { type Static } from 'typebox';
import {
  Adapter,
  closed,
  Id,
  LabelSchema,
  LabelWord,
  NextCursor,
  Nullable,
  page,
  Ref,
  Scores,
  Text,
} from './common.js';

const ShadowAnswer = Type.Object(
  { adapter: Adapter, label: Ref(LabelSchema), confidence: Type.Number(), scores: Scores },
  { ...closed, description: 'What the candidate of a live shadow said where it disagreed; never told to an upstream.' },
);

export const Prediction = Type.Object(
  {
    id: Id,
    created_at: Type.String({ format: 'date-time' }),
    page_id: Nullable(Type.String()),
    pair_id: Type.String(),
    premise: Type.String(),
    nli_hypothesis: Type.String(),
    label: Ref(LabelSchema),
    confidence: Type.Number(),
    raw_label: Type.String(),
    scores: Scores,
    truncated: Type.Boolean(),
    model: Type.String(),
    model_digest: Type.String(),
    adapter: Nullable(Adapter),
    latency_ms: Type.Number(),
    shadow: Nullable(ShadowAnswer),
  },
  { ...closed, $id: 'Prediction', description: 'A recorded judgement with what made it.' },
);
export type Prediction = Static<typeof Prediction>;

export const PredictionList = Type.Object(
  { items: Type.Array(Ref(Prediction)), next_cursor: NextCursor },
  { ...closed, $id: 'PredictionList' },
);
export type PredictionList = Static<typeof PredictionList>;

const share = { minimum: 0, maximum: 1 };
const word = (description: string) => Text({ minLength: 1, maxLength: 512, description });

export const PredictionQuery = Type.Object(
  {
    page_id: Type.Optional(word('Judgements of this page.')),
    pair_id: Type.Optional(word('Judgements of this pair_id.')),
    label: Type.Optional(Ref(LabelWord)),
    min_confidence: Type.Optional(Type.Number({ ...share, description: 'At least this confidence.' })),
    max_confidence: Type.Optional(Type.Number({ ...share, description: 'At most this confidence.' })),
    adapter: Type.Optional(word('`base`, or a version, id or digest.')),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'Made then or later.' })),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Made before then.' })),
    text: Type.Optional(word('Premise or hypothesis contains this.')),
    review: Type.Optional(
      Type.Unsafe<'wanted' | 'random'>({
        type: 'string',
        enum: ['wanted', 'random'],
        description:
          '`wanted`: those a correction teaches most: where a live shadow disagrees, then low margin; `random`: a uniform draw.',
      }),
    ),
    ...page,
  },
  closed,
);
export type PredictionQuery = Static<typeof PredictionQuery>;

export const PredictionParams = Type.Object({ id: Id }, closed);
