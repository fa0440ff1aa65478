import Type, { type Static } from 'typebox';
import { Adapter, closed, Id, NextCursor, Nullable, Ref, Text } from './common.js';

const subject = (description: string) => Type.Optional(Text({ minLength: 1, description }));
const count = (description: string) => Type.Integer({ minimum: 0, description });

export const ErasureRequest = Type.Object(
  {
    page_id: subject('All that is known of this page.'),
    premise: subject('With nli_hypothesis: this pair, whatever its case and white space.'),
    nli_hypothesis: subject('With premise.'),
    prediction_id: Type.Optional(Id),
    correction_id: Type.Optional(Id),
    reason: Text({ minLength: 1, maxLength: 2000, description: 'Kept, so it should not hold what is erased.' }),
  },
  {
    ...closed,
    $id: 'ErasureRequest',
    description: 'One subject: a page, a pair by its texts, or a pair by a judgement or a correction of it.',
  },
);
export type ErasureRequest = Static<typeof ErasureRequest>;

const TrainedOn = Type.Object(
  {
    run_id: Type.String(),
    state: Type.Unsafe<'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'>({
      type: 'string',
      enum: ['queued', 'running', 'succeeded', 'failed', 'cancelled'],
    }),
    adapter: Nullable(Adapter),
  },
  { ...closed, description: 'A training run that learnt from what was erased; its adapter still knows it.' },
);

const removed = Type.Object(
  {
    predictions: count('Judgements.'),
    corrections: count('Current ones and those in the history.'),
    texts: count('Texts that nothing else uses; a premise that other pairs have too stays with them.'),
    answers: count('Answers that were kept for repeated requests.'),
    flips: count("Pairs in reports of comparisons, which read '[erased]' now."),
  },
  closed,
);

const kind = Type.Unsafe<'page' | 'pair'>({ type: 'string', enum: ['page', 'pair'] });

export const Erasure = Type.Object(
  {
    id: Type.String(),
    kind,
    removed,
    correction_ids: Type.Array(Type.String()),
    trained_on: Type.Array(TrainedOn),
    started_at: Type.String(),
    ended_at: Nullable(Type.String()),
  },
  { ...closed, $id: 'Erasure' },
);
export type Erasure = Static<typeof Erasure>;

export const ErasureItem = Type.Object(
  {
    id: Type.String(),
    kind,
    subject: Type.String({ description: "A page's id, or the SHA-256 of a normalised pair." }),
    reason: Type.String(),
    actor: Type.String({ description: "The API key's id; `anonymous` while the service was open." }),
    removed,
    started_at: Type.String(),
    ended_at: Nullable(Type.String({ description: 'null: it was cut short, and goes on when it is asked for again.' })),
  },
  { ...closed, $id: 'ErasureItem', description: 'What was erased by whom and why, without the texts.' },
);
export type ErasureItem = Static<typeof ErasureItem>;

export const ErasureList = Type.Object(
  {
    items: Type.Array(Ref(ErasureItem), { description: 'Newest first.' }),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'ErasureList' },
);
export type ErasureList = Static<typeof ErasureList>;
