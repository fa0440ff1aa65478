import Type, { type Static } from 'typebox';
import { closed, Id, LabelSchema, Nullable, Ref } from './common.js';

const count = Type.Integer({ minimum: 0 });
const LabelCounts = Type.Object({ total: count, supports: count, refutes: count, neutral: count }, closed);
const SideReport = Type.Object({ pages: count, corrections: LabelCounts, confirmations: LabelCounts }, closed);
const share = Nullable(Type.Number({ description: 'null: the side has no rows.' }));

const REASONS = [
  'confirmation',
  'low_confidence',
  'conflict',
  'duplicate',
  'empty',
  'withdrawn',
  'near_duplicate_across_sides',
  'excluded',
] as const;
const Reason = Type.Unsafe<(typeof REASONS)[number]>({ type: 'string', enum: [...REASONS] });

export const Readiness = Type.Object(
  {
    ready: Type.Boolean({ description: 'usable ≥ min_corrections' }),
    min_corrections: count,
    min_confidence: Type.Number(),
    usable: count,
    confirmations: count,
    new_since_last_run: count,
    split: Type.Object(
      {
        train: SideReport,
        validation: SideReport,
        label_shares: Type.Array(
          Type.Object(
            {
              label: Ref(LabelSchema),
              train: share,
              validation: share,
              within: Type.Boolean({ description: 'The two shares are within 5 points of each other.' }),
            },
            closed,
          ),
        ),
      },
      { ...closed, description: 'The split that a run would make now. Nothing is decided by asking.' },
    ),
    gate_needs: Type.Object(
      {
        corrections: count,
        confirmations: count,
        correction_pages: count,
        confirmation_pages: count,
        confirmations_to_collect: count,
      },
      { ...closed, description: 'What the validation side still lacks for a shadow comparison to decide.' },
    ),
    warnings: Type.Array(Type.String()),
    left_out: Type.Object(
      {
        counts: Type.Record(Type.String(), count, { description: 'By reason.' }),
        items: Type.Array(Type.Object({ correction_id: Id, reason: Reason }, closed)),
      },
      { ...closed, description: 'Every correction that is not usable, and why.' },
    ),
  },
  { ...closed, $id: 'Readiness' },
);
export type Readiness = Static<typeof Readiness>;

export const ReadinessQuery = Type.Object(
  {
    min_corrections: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'By default what a run would need.' }),
    ),
    min_confidence: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        description: "By default the run's: only above it an error is learnt from.",
      }),
    ),
  },
  closed,
);
