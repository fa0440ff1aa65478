import Type, { type Static } from 'typebox';
import { closed, NextCursor, Nullable, Ref } from './common.js';

export const AuditEntry = Type.Object(
  {
    seq: Type.Integer({ minimum: 1, description: '1, 2, 3 … without a gap.' }),
    at: Type.String({ format: 'date-time' }),
    actor: Type.String({
      description: "The API key's id; `anonymous` while the service is open, `service`, or `command-line`.",
    }),
    role: Type.String({ description: "The key's role; `open`, `service` or `command-line` without a key." }),
    act: Type.String({ description: 'Such as `correction.create` or `adapter.promote`.' }),
    subject_type: Type.String(),
    subject_id: Nullable(Type.String()),
    detail: Type.Unsafe<Readonly<Record<string, unknown>>>({
      type: 'object',
      additionalProperties: true,
      description: 'Ids, counts and states; never a text of a pair.',
    }),
    hash: Type.String({
      description:
        'SHA-256 (hex) over the hash of the entry before and this entry: one noted elsewhere vouches for all before.',
    }),
  },
  { ...closed, $id: 'AuditEntry', description: 'One write act, in the transaction of the act.' },
);

export const AuditLog = Type.Object(
  {
    items: Type.Array(Ref(AuditEntry), { description: 'Newest first.' }),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'AuditLog' },
);
export type AuditLog = Static<typeof AuditLog>;
