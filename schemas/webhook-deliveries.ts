import Type, { type Static } from 'typebox';
import { closed, Id, NextCursor, Nullable, page } from './common.js';

const STATES = ['pending', 'delivered', 'failed'] as const;
const TYPES = [
  'run.ended',
  'comparison.ready',
  'adapter.promoted',
  'adapter.rolled_back',
  'corrections.threshold_reached',
] as const;

const word = <const W extends string>(words: readonly W[], description: string) =>
  Type.Unsafe<W>({ type: 'string', enum: [...words], description });
const time = (description: string) => Nullable(Type.String({ description }));

export const WebhookDelivery = Type.Object(
  {
    id: Type.String(),
    event_id: Type.String({ description: 'The header webhook-id, the same for every attempt and target.' }),
    type: word(TYPES, 'What happened.'),
    target: Type.String({ description: "The target's id in the configuration." }),
    state: word(STATES, 'failed: given up after 24 hours, or the target answered 410.'),
    attempts: Type.Integer({ minimum: 0, description: 'Since it was made, or replayed.' }),
    next_at: time('When it is tried next; null when it has ended.'),
    give_up_at: Type.String(),
    last_at: time('When it was tried last.'),
    last_status: Nullable(Type.Integer({ description: 'What the target answered; null: nothing.' })),
    last_error: Nullable(Type.String()),
    created_at: Type.String(),
    ended_at: time('null while it is pending.'),
  },
  { ...closed, $id: 'WebhookDelivery' },
);
export type WebhookDelivery = Static<typeof WebhookDelivery>;

export const WebhookDeliveryList = Type.Object(
  {
    items: Type.Array(Type.Unsafe<WebhookDelivery>({ $ref: 'WebhookDelivery#' })),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'WebhookDeliveryList' },
);
export type WebhookDeliveryList = Static<typeof WebhookDeliveryList>;

export const WebhookDeliveryQuery = Type.Object(
  {
    ...page,
    state: Type.Optional(word(STATES, 'Only these.')),
    target: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'Only to this one.' })),
  },
  closed,
);

export const WebhookDeliveryParams = Type.Object({ id: Id }, closed);
