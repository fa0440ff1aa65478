import Type, { type Static } from 'typebox';
import { closed, Id, LabelSchema, LabelWord, NextCursor, Nullable, page, Ref, Text } from './common.js';

/** Corrections taken in one request. */
const CORRECTIONS_PER_REQUEST = 500;

const word = (description: string) => Text({ minLength: 1, maxLength: 512, description });
const share = { minimum: 0, maximum: 1 };

export const ReviewSource = Type.Unsafe<'volunteered' | 'random' | 'disagreement' | 'low_margin'>({
  $id: 'ReviewSource',
  type: 'string',
  enum: ['volunteered', 'random', 'disagreement', 'low_margin'],
  description: 'Why the pair was looked at: a sample of errors is not a sample of traffic.',
});

export const ConfidenceSource = Type.Unsafe<'recorded' | 'claimed' | 'judged'>({
  $id: 'ConfidenceSource',
  type: 'string',
  enum: ['recorded', 'claimed', 'judged'],
  description:
    'Where original_label and original_confidence are from: a recorded judgement, the correction itself, or a judgement made for it.',
});

const said = {
  prediction_id: Type.Optional(Nullable(word('The judgement that is corrected; everything else is known of it.'))),
  pair_id: Type.Optional(
    Nullable(word('Instead, where all recorded judgements of it have the same texts (else: 409).')),
  ),
  premise: Type.Optional(
    Text({ description: 'In full: with nli_hypothesis. A recorded judgement of the same texts is linked.' }),
  ),
  nli_hypothesis: Type.Optional(Text()),
  original_label: Type.Optional(Ref(LabelWord)),
  original_confidence: Type.Optional(
    Type.Number({ ...share, description: 'With original_label; counts where no judgement is recorded.' }),
  ),
  correct_label: Ref(LabelWord, 'Equal to the original label it is a confirmation.'),
  page_id: Type.Optional(Nullable(word("The page of the premise; the judgement's own by default."))),
  edge_id: Type.Optional(Nullable(word("The client's edge between premise and hypothesis."))),
  external_id: Type.Optional(
    Nullable(word('Stored once: again with the same content it is the stored row, else an error.')),
  ),
  reviewer: Type.Optional(Nullable(word('Who says so, where the API key does not tell.'))),
  reason: Type.Optional(Nullable(Text({ maxLength: 4000 }))),
  review_source: Type.Optional(Ref(ReviewSource)),
};

const example = {
  prediction_id: '0198c7f2-6d3e-7c1a-9a51-3f2b8c0d4e5f',
  correct_label: 'refutes',
  reviewer: 'ada',
  reason: 'The trial found the opposite.',
};

export const NewCorrection = Type.Object(said, {
  ...closed,
  $id: 'NewCorrection',
  description: 'By prediction_id, by pair_id, or in full by premise and nli_hypothesis.',
  examples: [example],
});
export type NewCorrection = Static<typeof NewCorrection>;

/** A line of an import: as above, or a row of an export, which has an id. */
export const CorrectionLine = Type.Object(
  {
    ...said,
    id: Type.Optional(Id),
    created_at: Type.Optional(
      Type.String({
        format: 'date-time',
        pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
        description: 'UTC, with milliseconds; not in the future.',
      }),
    ),
    confidence_source: Type.Optional(Ref(ConfidenceSource)),
    original_raw_label: Type.Optional(Nullable(Text({ maxLength: 512 }))),
    model_digest: Type.Optional(Nullable(Text({ maxLength: 512 }))),
    adapter_digest: Type.Optional(Nullable(Text({ maxLength: 512 }))),
    content_sha256: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$', description: 'Of what the client said.' })),
  },
  { ...closed, $id: 'CorrectionLine' },
);
export type CorrectionLine = Static<typeof CorrectionLine>;

export const CorrectionBatch = Type.Object(
  {
    corrections: Type.Array(Ref(NewCorrection), {
      maxItems: CORRECTIONS_PER_REQUEST,
      description: 'Each is stored or refused by itself.',
    }),
  },
  { ...closed, $id: 'CorrectionBatch', examples: [{ corrections: [example] }] },
);

/** Of a batch only the frame is checked at once; each item is checked by itself. */
export const BatchFrame = Type.Object(
  { corrections: Type.Array(Type.Unknown(), { maxItems: CORRECTIONS_PER_REQUEST }) },
  closed,
);
export type BatchFrame = Static<typeof BatchFrame>;

export const CorrectionBody = Type.Unsafe<unknown>({ anyOf: [Ref(NewCorrection), Ref(CorrectionBatch)] });

const whyNot = ['confirmation', 'low_confidence', 'conflict', 'duplicate', 'replaced', 'withdrawn'] as const;

export const Correction = Type.Object(
  {
    id: Id,
    external_id: Nullable(Type.String()),
    prediction_id: Nullable(Type.String()),
    pair_id: Nullable(Type.String()),
    edge_id: Nullable(Type.String()),
    page_id: Nullable(Type.String()),
    premise: Type.String(),
    nli_hypothesis: Type.String(),
    original_label: Ref(LabelSchema),
    original_confidence: Type.Number(share),
    original_raw_label: Nullable(Type.String()),
    correct_label: Ref(LabelSchema),
    confidence_source: Ref(ConfidenceSource),
    reviewer: Type.String(),
    reason: Nullable(Type.String()),
    review_source: Ref(ReviewSource),
    model_digest: Nullable(Type.String()),
    adapter_digest: Nullable(Type.String()),
    created_at: Type.String({ format: 'date-time' }),
    state: Type.Unsafe<'current' | 'replaced' | 'withdrawn'>({
      type: 'string',
      enum: ['current', 'replaced', 'withdrawn'],
    }),
    ended_at: Nullable(Type.String({ description: 'When it was replaced or withdrawn.' })),
    usable: Type.Boolean({ description: 'Whether a training run would learn from it as a correction.' }),
    why_not: Type.Unsafe<(typeof whyNot)[number] | null>({
      type: ['string', 'null'],
      enum: [...whyNot, null],
      description:
        '`confirmation`: of the same label; `low_confidence`: the model was not sure (0.8 or less); `conflict`: reviewers disagree on the pair; `duplicate`: another row of the same pair counts.',
    }),
  },
  { ...closed, $id: 'Correction' },
);
export type Correction = Static<typeof Correction>;

export const ItemError = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    errors: Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }, closed)),
  },
  { ...closed, $id: 'ItemError', description: 'The problem of one item; pointers are into that item.' },
);

export const CorrectionResults = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          index: Type.Integer(),
          correction: Type.Unsafe<Correction | null>({ anyOf: [Ref(Correction), { type: 'null' }] }),
          error: Type.Unsafe<Static<typeof ItemError> | null>({ anyOf: [Ref(ItemError), { type: 'null' }] }),
        },
        closed,
      ),
      { description: 'In the order of the corrections, one for each.' },
    ),
  },
  { ...closed, $id: 'CorrectionResults' },
);
export type CorrectionResults = Static<typeof CorrectionResults>;

export const CorrectionList = Type.Object(
  { items: Type.Array(Ref(Correction)), next_cursor: NextCursor },
  { ...closed, $id: 'CorrectionList' },
);
export type CorrectionList = Static<typeof CorrectionList>;

export const CorrectionQuery = Type.Object(
  {
    state: Type.Optional(
      Type.Unsafe<'current' | 'ended'>({
        type: 'string',
        enum: ['current', 'ended'],
        description: '`ended`: replaced or withdrawn.',
      }),
    ),
    kind: Type.Optional(
      Type.Unsafe<'correction' | 'confirmation'>({ type: 'string', enum: ['correction', 'confirmation'] }),
    ),
    page_id: Type.Optional(word('Of this page.')),
    pair_id: Type.Optional(word('Of this pair_id.')),
    prediction_id: Type.Optional(word('Of this judgement.')),
    edge_id: Type.Optional(word('Of this edge.')),
    external_id: Type.Optional(word('Of this external_id.')),
    reviewer: Type.Optional(word('By this reviewer.')),
    original_label: Type.Optional(Ref(LabelWord)),
    correct_label: Type.Optional(Ref(LabelWord)),
    review_source: Type.Optional(Ref(ReviewSource)),
    confidence_source: Type.Optional(Ref(ConfidenceSource)),
    min_confidence: Type.Optional(Type.Number({ ...share, description: 'Original confidence, at least.' })),
    max_confidence: Type.Optional(Type.Number({ ...share, description: 'Original confidence, at most.' })),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'Stored then or later.' })),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Stored before then.' })),
    ...page,
  },
  closed,
);
export type CorrectionQuery = Static<typeof CorrectionQuery>;

export const CorrectionParams = Type.Object({ id: Id }, closed);

export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description:
        'The same request sent again within 24 hours is answered as before and stores nothing; another body: 422.',
    }),
  ),
});

export type IdempotencyHeaders = Static<typeof IdempotencyHeaders>;

export const ImportReport = Type.Object(
  {
    lines: Type.Integer({ description: 'Lines that were not blank.' }),
    stored: Type.Integer(),
    replaced: Type.Integer({ description: 'In the place of what the same reviewer said before.' }),
    unchanged: Type.Integer({ description: 'Were stored before.' }),
    failed: Type.Integer(),
    errors: Type.Array(
      Type.Object(
        { line: Type.Integer({ description: 'From 1.' }), pointer: Type.String(), detail: Type.String() },
        closed,
      ),
      { description: 'The first 1,000 lines that failed.' },
    ),
  },
  {
    ...closed,
    $id: 'ImportReport',
    examples: [{ lines: 3, stored: 2, replaced: 0, unchanged: 1, failed: 0, errors: [] }],
  },
);
export type ImportReport = Static<typeof ImportReport>;
