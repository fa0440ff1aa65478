import Type, { type Static } from 'typebox';
import { Adapter, closed, LabelSchema, Nullable, Ref } from './common.js';

const PrecisionSchema = Type.Unsafe<'float32' | 'int8'>({
  type: 'string',
  enum: ['float32', 'int8'],
  description: "Numbers of the base model's Linears.",
});

const Precision = Type.Object(
  {
    asked: PrecisionSchema,
    used: PrecisionSchema,
    int8: Nullable(
      Type.Object(
        {
          pairs: Type.Integer({ description: 'Judged in both at the first start with this checkpoint.' }),
          agreement: Type.Number({ description: 'Share of them that get the same label.' }),
          mean_score_difference: Type.Number({ description: 'Mean of |int8 - float32| over all their scores.' }),
          min_agreement: Type.Number({ description: 'Under it float32 is used.' }),
        },
        { ...closed, description: 'How near int8 is to float32; null: int8 was not asked for.' },
      ),
    ),
  },
  closed,
);

export const Model = Type.Object(
  {
    model: Type.String({ description: 'The name that answers carry.' }),
    digest: Type.String({ description: 'SHA-256 over the digests of the files.' }),
    files: Type.Record(Type.String(), Type.String(), { description: 'SHA-256 of each file of the checkpoint.' }),
    labels: Type.Array(
      Type.Object({ index: Type.Integer(), raw_label: Type.String(), label: Ref(LabelSchema) }, closed),
      { description: 'What each logit stands for.' },
    ),
    precision: Precision,
    adapter: Nullable(Adapter),
    limits: Type.Object(
      {
        body_bytes: Type.Integer(),
        pairs_per_request: Type.Integer(),
        characters_per_text: Type.Integer(),
        items_per_list: Type.Integer(),
        max_tokens: Type.Integer({ description: "Tokens of a pair; a longer premise's end is cut." }),
      },
      closed,
    ),
  },
  { ...closed, $id: 'Model' },
);
export type Model = Static<typeof Model>;

const Module = Type.Object(
  {
    name: Type.String({ description: "The module's full name, as PEFT would match it." }),
    shape: Type.Array(Type.Integer(), { minItems: 2, maxItems: 2, description: '[out_features, in_features]' }),
    lora_target: Type.Boolean({ description: 'Whether an adapter may have it among its target_modules.' }),
    why_not: Nullable(Type.String()),
  },
  closed,
);

export const ModuleList = Type.Object(
  { items: Type.Array(Module) },
  {
    ...closed,
    $id: 'ModuleList',
    examples: [
      {
        items: [
          {
            name: 'deberta.encoder.layer.0.attention.self.query_proj',
            shape: [384, 384],
            lora_target: true,
            why_not: null,
          },
        ],
      },
    ],
  },
);
export type ModuleList = Static<typeof ModuleList>;
