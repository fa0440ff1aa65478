import Type, { type Static } from 'typebox';
import { Adapter, closed, LabelSchema, Nullable, Ref } from './common.js';

const count = (description: string) => Type.Integer({ minimum: 0, description });
const time = (description: string) => Nullable(Type.String({ format: 'date-time', description }));
const words = <W extends string>(all: readonly W[], description: string) =>
  Type.Unsafe<W>({ type: 'string', enum: [...all], description });

const ENDS = [
  'replaced',
  'switched-off',
  'active-changed',
  'promoted',
  'incompatible',
  'deleted',
  'unusable',
  'failing',
] as const;

export const LiveShadow = Type.Object(
  {
    state: words(
      ['off', 'starting', 'on'],
      'off: `ended_because` tells why; starting: not every inference child is ready for it yet.',
    ),
    candidate: Nullable(Adapter),
    against: Nullable({ ...Adapter, description: 'The active adapter that it judges beside; null: the base model.' }),
    rate: Nullable(Type.Number({ description: 'The share of pairs that it judges too.' })),
    since: time('The counts are from then on: from when it was set, or another adapter became active.'),
    ended_at: time('null: it is on, or there never was one.'),
    ended_because: Type.Unsafe<(typeof ENDS)[number] | null>({
      type: ['string', 'null'],
      enum: [...ENDS, null],
      description: '`promoted`: the candidate answers now; `failing`: its answers failed again and again.',
    }),
    sampled: count('Pairs: the sum of the next four.'),
    agreed: count('Both gave the same label.'),
    disagreed: count('They gave different labels; such judgements come first in GET /predictions?review=wanted.'),
    dropped: count('There was other work to do.'),
    failed: count('The candidate gave no answer.'),
    disagreements: Type.Array(
      Type.Object(
        { active_label: Ref(LabelSchema), candidate_label: Ref(LabelSchema), pairs: count('So many.') },
        closed,
      ),
    ),
  },
  { ...closed, $id: 'LiveShadow', description: 'A candidate that judges a share of the live traffic, unseen.' },
);
export type LiveShadow = Static<typeof LiveShadow>;

export const SetLiveShadow = Type.Object(
  {
    candidate: Nullable(
      Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'A version, id or digest; null switches it off.' }),
    ),
    rate: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 0.1, description: 'The share of pairs to sample.' }),
    ),
  },
  { ...closed, $id: 'SetLiveShadow' },
);
export type SetLiveShadow = Static<typeof SetLiveShadow>;
