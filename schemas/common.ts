/** The parts that several resources share. */
import Type, { type Static, type TSchema, type TUnsafe } from 'typebox';
import { LABEL_WORDS, LABELS, type Label } from '../src/labels.js';
import { DEFAULT_ITEMS, LIMITS } from '../src/limits.js';

/** Text without NUL and without half of a surrogate pair: neither can be stored or encoded faithfully. */
const TEXT_PATTERN = '^[^\\u0000\\uD800-\\uDFFF]*$';

export interface TextOptions {
  readonly description?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly default?: string;
}

export const Text = (options: TextOptions = {}) => Type.String({ pattern: TEXT_PATTERN, ...options });

/** The same schema, or null. */
export function Nullable<Schema extends TSchema>(schema: Schema): TUnsafe<Static<Schema> | null> {
  const { type } = schema as unknown as { type: string };
  return Type.Unsafe<Static<Schema> | null>({ ...schema, type: [type, 'null'] });
}

/** A named component: `addSchema` makes it known, this points to it. */
export function Ref<Schema extends TSchema>(schema: Schema, description?: string): TUnsafe<Static<Schema>> {
  const { $id } = schema as unknown as { $id: string };
  return Type.Unsafe<Static<Schema>>({ $ref: `${$id}#`, ...(description !== undefined && { description }) });
}

export const closed = { additionalProperties: false } as const;

export const LabelSchema = Type.Unsafe<Label>({
  $id: 'Label',
  type: 'string',
  enum: [...LABELS],
  description: 'What the premise does to the hypothesis.',
});

export const LabelWord = Type.Unsafe<string>({
  $id: 'LabelWord',
  type: 'string',
  enum: [...LABEL_WORDS],
  description: "A label in the wire's words or the checkpoints'.",
});

const score = Type.Number({ minimum: 0, maximum: 1 });

export const Scores = Type.Object(
  { supports: score, refutes: score, neutral: score },
  { ...closed, description: 'The softmax of the logits, unrounded; a label the checkpoint does not know has 0.' },
);

export const Adapter = Type.Object(
  { id: Type.String(), version: Type.String(), digest: Type.String() },
  { ...closed, description: 'The adapter that answers; null is the base model alone.' },
);

/** Of a list's query: how many items a page has, and where it begins. */
export const page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.items_per_list, default: DEFAULT_ITEMS })),
  cursor: Type.Optional(
    Type.String({ pattern: '^[A-Za-z0-9_-]{1,512}$', description: 'next_cursor of the page before.' }),
  ),
} as const;

export const PageQuery = Type.Object(page, closed);

export const NextCursor = Nullable(Type.String({ description: 'null on the last page.' }));

/** Ids in paths: nothing that could be read as a path or an escape. */
export const Id = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'An id, as this service gave it.' });
