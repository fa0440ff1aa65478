import Type, { type Static } from 'typebox';
import { Adapter, closed, Id, NextCursor, Nullable, Ref, Text } from './common.js';

const time = (description: string) => Type.String({ format: 'date-time', description });
const word = <Word extends string>(values: readonly Word[], description: string) =>
  Type.Unsafe<Word>({ type: 'string', enum: [...values], description });

export const RegisteredAdapter = Type.Object(
  {
    id: Id,
    version: Type.String({ description: 'v1, v2 … for each base model.' }),
    digest: Type.String({
      description: 'SHA-256 of what decides the answers: its weights, and the rank and scale of each module.',
    }),
    base_digest: Type.String({ description: 'The digest of the base model it belongs to.' }),
    base_model: Type.String(),
    compatible: Type.Boolean({ description: 'False: it belongs to another base model than the one served.' }),
    active: Type.Boolean({ description: 'Whether it answers now.' }),
    origin: word(['trained', 'imported'], 'Where it came from.'),
    run_id: Nullable(Type.String({ description: 'The training run that made it.' })),
    r: Type.Integer(),
    lora_alpha: Type.Number(),
    target_modules: Type.Array(Type.String(), { description: 'The Linears it adapts.' }),
    created_at: time('When it was registered.'),
  },
  { ...closed, $id: 'RegisteredAdapter' },
);
export type RegisteredAdapter = Static<typeof RegisteredAdapter>;

export const AdapterList = Type.Object(
  {
    items: Type.Array(Ref(RegisteredAdapter), { description: 'Of every base model, newest first.' }),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'AdapterList' },
);
export type AdapterList = Static<typeof AdapterList>;

export const ActiveAdapter = Type.Object(
  {
    adapter: Type.Unsafe<RegisteredAdapter | null>({
      anyOf: [{ $ref: 'RegisteredAdapter#' }, { type: 'null' }],
      description: 'null: the base model answers alone.',
    }),
  },
  { ...closed, $id: 'ActiveAdapter' },
);
export type ActiveAdapter = Static<typeof ActiveAdapter>;

export const AdapterHistory = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        {
          seq: Type.Integer(),
          adapter: Nullable(Adapter),
          act: word(
            ['promote', 'rollback', 'fallback'],
            'fallback: the service started and could not serve what was active, so the base model answers.',
          ),
          comparison_id: Nullable(Type.String({ description: 'The shadow comparison that recommended it.' })),
          forced: Type.Boolean(),
          reason: Nullable(Type.String()),
          actor: Type.String(),
          at: time('Live from then on.'),
          until: Nullable(time('Live until then; null: still.')),
        },
        closed,
      ),
      { description: 'Newest first. Before the oldest the base model answered.' },
    ),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'AdapterHistory' },
);
export type AdapterHistory = Static<typeof AdapterHistory>;

const reason = Type.Optional(Nullable(Text({ maxLength: 2000, description: 'Kept in the history.' })));

export const PromoteRequest = Type.Object(
  {
    reason,
    force: Type.Optional(
      Type.Boolean({ default: false, description: 'Without a comparison that recommends it; needs a reason.' }),
    ),
  },
  { ...closed, $id: 'PromoteRequest', examples: [{ reason: 'fewer false refutations on page p7', force: false }] },
);
export type PromoteRequest = Static<typeof PromoteRequest>;

export const RollbackRequest = Type.Object({ reason }, { ...closed, $id: 'RollbackRequest' });
export type RollbackRequest = Static<typeof RollbackRequest>;

const file = (description: string) =>
  Type.Unsafe<Uint8Array>({ type: 'string', contentMediaType: 'application/octet-stream', description });

/** multipart/form-data: read by hand, so only described here. */
export const AdapterImport = Type.Object(
  {
    'adapter_config.json': file("PEFT's configuration, sent as a file."),
    'adapter_model.safetensors': file("PEFT's weights, sent as a file."),
  },
  { ...closed, $id: 'AdapterImport' },
);

export const AdapterParams = Type.Object(
  {
    id: Type.String({
      pattern: '^[A-Za-z0-9_-]{1,64}$',
      description: 'An id, or of the base model that is served a version or a digest.',
    }),
  },
  closed,
);

export const AdapterFileParams = Type.Object(
  {
    ...AdapterParams.properties,
    name: word(['adapter_config.json', 'adapter_model.safetensors'], 'Which of the two files of a PEFT directory.'),
  },
  closed,
);

export const IfMatch = Type.Object({
  'if-match': Type.Optional(
    Type.String({ description: 'The ETag of GET /adapters/active; when something else is active by now: 412.' }),
  ),
});
