import Type, { type Static, type TObject } from 'typebox';
import { Adapter, closed, Id, LabelSchema, NextCursor, Nullable, Ref } from './common.js';

const word = <W extends string>(words: readonly W[], description: string) =>
  Type.Unsafe<W>({ type: 'string', enum: [...words], description });

const count = (description?: string) => Type.Integer({ minimum: 0, ...(description !== undefined && { description }) });
const maybe = (description?: string) => Nullable(Type.Number(description === undefined ? {} : { description }));
const perLabel = <S extends TObject | ReturnType<typeof count>>(schema: S, description?: string) =>
  Type.Object(
    { supports: schema, refutes: schema, neutral: schema },
    { ...closed, ...(description !== undefined && { description }) },
  );

const VERDICTS = ['recommend', 'do_not_recommend', 'not_enough_data'] as const;
type VerdictWord = (typeof VERDICTS)[number];

const summary = {
  id: Id,
  state: word(['queued', 'running', 'succeeded', 'failed'], 'It ends in exactly one of the last two.'),
  old: Nullable(Adapter),
  new: Nullable(Adapter),
  run_id: Nullable(Type.String({ description: 'The training run that asked for it.' })),
  verdict: Type.Unsafe<VerdictWord | null>({
    type: ['string', 'null'],
    enum: [...VERDICTS, null],
    description: 'What the gate says; null until it succeeded.',
  }),
  old_accuracy: maybe('Over all held-out rows.'),
  new_accuracy: maybe('Over all held-out rows.'),
  recommend_deploy: Nullable(
    Type.Boolean({ description: 'new_accuracy >= old_accuracy - 0.02, decided on counts of rows; not the verdict.' }),
  ),
  error: Nullable(Type.String({ description: 'Why it failed.' })),
  created_at: Type.String({ format: 'date-time' }),
  started_at: Nullable(Type.String({ format: 'date-time' })),
  ended_at: Nullable(Type.String({ format: 'date-time' })),
};

export const ShadowComparisonItem = Type.Object(summary, {
  ...closed,
  $id: 'ShadowComparisonItem',
  description: 'A shadow comparison without its report. A null adapter is the base model alone.',
});

const ClassReport = Type.Object(
  { precision: maybe(), recall: maybe(), f1: maybe(), support: count() },
  { ...closed, description: 'null where it is 0 / 0.' },
);

const ReliabilityBin = Type.Object(
  { low: Type.Number(), high: Type.Number(), n: count(), confidence: maybe(), accuracy: maybe() },
  closed,
);

export const ComparisonSide = Type.Object(
  {
    correct: count(),
    accuracy: maybe(),
    macro_f1: maybe('Over the labels that occur.'),
    classes: perLabel(ClassReport),
    confusion: perLabel(perLabel(count()), 'Correct label, then answer, then rows.'),
    log_loss: maybe('Nats.'),
    brier: maybe('Multiclass, from 0 to 2.'),
    ece: maybe('Expected calibration error, 15 bins.'),
    reliability: Type.Array(ReliabilityBin),
    confident_errors: count('Wrong with a confidence above 0.8.'),
  },
  { ...closed, $id: 'ComparisonSide', description: 'What one adapter makes of a set of rows.' },
);

export const ComparisonSet = Type.Object(
  {
    n: count(),
    pages: count(),
    labels: perLabel(count()),
    old: Ref(ComparisonSide),
    new: Ref(ComparisonSide),
    difference: Type.Object(
      {
        value: maybe('new − old.'),
        interval: Nullable(
          Type.Object(
            { low: Type.Number(), high: Type.Number(), lower: Type.Number(), upper: Type.Number() },
            { ...closed, description: 'low, high: two-sided 95 %; lower, upper: one-sided; bootstrap by page.' },
          ),
        ),
        lower_limit: maybe('One-sided 95 %; exact binomial where nothing broke.'),
      },
      closed,
    ),
    mcnemar: Type.Object(
      { fixed: count(), broken: count(), p: Type.Number({ description: 'Exact, two-sided.' }) },
      closed,
    ),
  },
  { ...closed, $id: 'ComparisonSet', description: 'Corrections, confirmations, or both.' },
);

const Lacking = Type.Object(
  { rows: Nullable(count('null: nobody can tell.')), pages: count() },
  { ...closed, description: 'Held-out reviews; of all reviews about a fifth is held out.' },
);

export const GateRule = Type.Object(
  {
    name: Type.String(),
    set: word(['corrections', 'confirmations', 'union'], 'The rows it looks at.'),
    statement: Type.String(),
    value: maybe(),
    limit: Type.Number(),
    verdict: word(['pass', 'fail', 'undecided'], 'undecided: too few reviews to tell.'),
    lacking: Nullable(Lacking),
  },
  { ...closed, $id: 'GateRule' },
);

const FlipAnswer = Type.Object({ label: Ref(LabelSchema), confidence: Type.Number() }, closed);

export const Flip = Type.Object(
  {
    correction_id: Id,
    page_id: Nullable(Type.String()),
    kind: word(['correction', 'confirmation'], 'What the reviewer did.'),
    premise: Type.String({ description: 'At most 2,000 characters of it, then an ellipsis.' }),
    nli_hypothesis: Type.String(),
    correct_label: Ref(LabelSchema),
    old: FlipAnswer,
    new: FlipAnswer,
  },
  { ...closed, $id: 'Flip', description: 'A pair on which one adapter is right and the other wrong.' },
);

const Latency = Type.Object(
  { pairs: count(), p50_ms: maybe(), p95_ms: maybe() },
  { ...closed, description: 'One pair at a time, by this adapter alone.' },
);

export const ComparisonReport = Type.Object(
  {
    old_accuracy: maybe(),
    new_accuracy: maybe(),
    recommend_deploy: Type.Boolean(),
    verdict: word(VERDICTS, 'What the rules come to.'),
    rules: Type.Array(Ref(GateRule)),
    lacking: Nullable(
      Type.Object(
        { corrections: Lacking, confirmations: Lacking },
        { ...closed, description: 'What would decide it; null unless the verdict is not_enough_data.' },
      ),
    ),
    sets: Type.Object(
      { corrections: Ref(ComparisonSet), confirmations: Ref(ComparisonSet), union: Ref(ComparisonSet) },
      closed,
    ),
    flips: Type.Object(
      { fixed: Type.Array(Ref(Flip)), broken: Type.Array(Ref(Flip)) },
      { ...closed, description: 'At most 200 of each, those the new adapter is surest of first.' },
    ),
    basis: word(['a random review', 'reviewed rows, not traffic'], 'What calibration figures speak for.'),
    base: Type.Object({ name: Type.String(), digest: Type.String() }, closed),
    old: Nullable(Adapter),
    new: Nullable(Adapter),
    manifest: Type.String({ description: 'SHA-256 over the judged rows: equal ones were the same examination.' }),
    leak_check: Type.Object(
      { training_rows: count(), same_page: count(), same_text: count(), near_text: count() },
      { ...closed, description: 'Held-out rows that were on the training side too; they are not judged.' },
    ),
    not_judged: Type.Record(Type.String(), count(), { description: 'Rows by what is wrong with their texts.' }),
    latency: Type.Object({ old: Latency, new: Latency }, closed),
    gate: Type.Object(
      {
        loss_percent: Type.Number(),
        alpha: Type.Number(),
        lower_limit: Type.Number(),
        least_rows: count(),
        least_pages: count(),
      },
      { ...closed, description: 'The limits it was decided by.' },
    ),
    bootstrap: Type.Object({ seed: Type.Integer(), replicates: count() }, closed),
  },
  { ...closed, $id: 'ComparisonReport' },
);

export const ShadowComparison = Type.Object(
  {
    ...summary,
    report: Type.Unsafe<Static<typeof ComparisonReport> | null>({
      anyOf: [Ref(ComparisonReport), { type: 'null' }],
      description: 'null until it succeeded.',
    }),
  },
  { ...closed, $id: 'ShadowComparison' },
);

export const ShadowComparisonList = Type.Object(
  {
    items: Type.Array(Ref(ShadowComparisonItem)),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'ShadowComparisonList' },
);

const AdapterName = (description: string) => Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description });

export const ShadowComparisonRequest = Type.Object(
  {
    adapter: AdapterName('The new one: a version or id, `active` or `base`.'),
    against: Type.Optional(AdapterName('The old one: `active` (the default), `base`, a version or id.')),
  },
  { ...closed, $id: 'ShadowComparisonRequest' },
);
export type ShadowComparisonRequest = Static<typeof ShadowComparisonRequest>;

export const ShadowComparisonParams = Type.Object({ id: Id }, closed);
