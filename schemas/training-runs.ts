import Type, { type Static, type TSchema } from 'typebox';
import { type Recipe, RECIPE, RECIPE_KEYS, type RecipeKey } from '../src/recipe.js';
import { closed, Id, NextCursor, Nullable, Ref } from './common.js';

const time = (description: string) => Type.String({ format: 'date-time', description });
const word = <Word extends string>(words: readonly Word[], description: string) =>
  Type.Unsafe<Word>({ type: 'string', enum: [...words], description });

/** The schema of one parameter, from the table of src/recipe.ts. */
function parameter(key: RecipeKey): TSchema {
  const field = RECIPE[key];
  const told = { description: field.help };
  if (field.kind === 'word') return Type.Unsafe({ type: 'string', enum: [...field.words], ...told });
  if (field.kind === 'words')
    return Type.Unsafe({
      type: 'array',
      items: { type: 'string', enum: [...field.words] },
      minItems: 1,
      uniqueItems: true,
      ...told,
    });
  if (field.kind === 'layers')
    return Type.Unsafe({
      type: ['array', 'null'],
      items: { type: 'integer', minimum: 0, maximum: field.most },
      minItems: 1,
      uniqueItems: true,
      ...told,
    });
  const bounds = { minimum: field.least, maximum: field.most, ...told };
  return field.kind === 'integer' ? Type.Integer(bounds) : Type.Number(bounds);
}

const withDefault = (key: RecipeKey): TSchema => {
  const schema = parameter(key) as TSchema & { description: string };
  const { fallback } = RECIPE[key];
  const told = `${schema.description} By default ${JSON.stringify(fallback)}, unless the model folder's errata.json says otherwise.`;
  return { ...schema, description: told };
};

const each = (make: (key: RecipeKey) => TSchema) => Object.fromEntries(RECIPE_KEYS.map((key) => [key, make(key)]));

export const TrainingParameters = Type.Unsafe<Recipe>({
  ...Type.Object(each(parameter), closed),
  $id: 'TrainingParameters',
  description: 'Every parameter of a run.',
});

const GivenParameters = Type.Unsafe<Partial<Recipe>>({
  ...Type.Object(
    each((key) => Type.Optional(withDefault(key))),
    closed,
  ),
  $id: 'GivenTrainingParameters',
  description: 'Parameters that this run has otherwise than by default.',
});

export const StartTrainingRun = Type.Object(
  {
    force: Type.Optional(Type.Boolean({ description: 'Train although fewer than min_corrections are usable.' })),
    parameters: Type.Optional(Ref(GivenParameters)),
    exclude: Type.Optional(
      Type.Array(Id, { maxItems: 10_000, uniqueItems: true, description: 'Corrections to leave out.' }),
    ),
  },
  { ...closed, $id: 'StartTrainingRun', examples: [{ force: true, parameters: { epochs: 6, learning_rate: 0.003 } }] },
);
export type StartTrainingRun = Static<typeof StartTrainingRun>;

const count = Type.Integer({ minimum: 0 });
const side = (description: string) =>
  Type.Object({ corrections: count, confirmations: count }, { ...closed, description });

const Counts = Type.Object(
  {
    train: side('Usable rows on the training side.'),
    validation: side('Usable rows that are held out.'),
    used: Type.Integer({ minimum: 0, description: 'Rows learnt from: corrections and replayed confirmations.' }),
    left_out: Type.Unsafe<Readonly<Record<string, number>>>({
      type: 'object',
      additionalProperties: { type: 'integer' },
      description: 'Reason → corrections left out for it.',
    }),
  },
  closed,
);

const maybe = (description: string) => Nullable(Type.Number({ description }));

const Progress = Type.Object(
  {
    stage: word(['preparing', 'training', 'registering', 'comparing'], 'What is under way.'),
    epoch: count,
    epochs: count,
    step: count,
    steps: Nullable(Type.Integer()),
    loss: maybe("The last batch's mean cross-entropy."),
    learning_rate: maybe('Of the last step.'),
    samples_per_second: maybe('Since training began, or went on.'),
    seconds_left: maybe('Of training, at that speed.'),
  },
  closed,
);

const run = {
  id: Id,
  state: word(['queued', 'running', 'succeeded', 'failed', 'cancelled'], 'The last three are for ever.'),
  started_by: word(['request', 'trigger'], 'trigger: enough corrections were new.'),
  base_model: Type.String(),
  base_digest: Type.String(),
  parameters: Ref(TrainingParameters),
  counts: Counts,
  progress: Nullable(Progress),
  adapter_id: Nullable(Type.String({ description: 'The adapter, once it is registered.' })),
  comparison_id: Nullable(Type.String({ description: 'Its shadow comparison with what was active.' })),
  error: Nullable(Type.String({ description: 'Why it failed.' })),
  seed: Type.Integer(),
  attempt: Type.Integer({
    description:
      'How often it was begun: a run is resumed after a crash, and fails when three attempts in a row died without an epoch of progress.',
  }),
  created_at: time('When it was asked for.'),
  started_at: Nullable(time('When it first left the queue.')),
  ended_at: Nullable(time('When it reached its last state.')),
};

export const TrainingRun = Type.Object(run, { ...closed, $id: 'TrainingRun' });
export type TrainingRun = Static<typeof TrainingRun>;

const Manifest = Type.Object(
  {
    code_version: Type.String(),
    base_model: Type.String(),
    base_digest: Type.String(),
    parameters: Ref(TrainingParameters),
    seed: Type.Integer(),
    corrections: Type.Array(
      Type.Object(
        {
          correction_id: Id,
          side: word(['train', 'validation'], 'The side of its page.'),
          used: Type.Boolean({ description: 'Whether it was learnt from.' }),
        },
        closed,
      ),
    ),
    left_out: Type.Array(Type.Object({ correction_id: Id, reason: Type.String() }, closed)),
  },
  { ...closed, description: 'What the run was made of: enough to make it again.' },
);

const Waiting = Type.Object(
  {
    reason: Type.String({ description: 'What has no room: the disk, or the queue of the engine.' }),
    since: time('When it was refused first.'),
  },
  {
    ...closed,
    description: 'It goes on by itself as soon as there is room. Told by the process that works on the run.',
  },
);

export const TrainingRunDetail = Type.Object(
  { ...run, waiting: Nullable(Waiting), manifest: Manifest },
  { ...closed, $id: 'TrainingRunDetail' },
);
export type TrainingRunDetail = Static<typeof TrainingRunDetail>;

export const TrainingRunList = Type.Object(
  {
    items: Type.Array(Ref(TrainingRun), { description: 'Newest first.' }),
    next_cursor: NextCursor,
  },
  { ...closed, $id: 'TrainingRunList' },
);
export type TrainingRunList = Static<typeof TrainingRunList>;

export const TrainingRunParams = Type.Object({ id: Id }, closed);

export const EventHeaders = Type.Object({
  'last-event-id': Type.Optional(
    Type.String({
      pattern: '^\\d{1,15}$',
      description: 'The id of the last event received: what came after it is sent.',
    }),
  ),
});

export const trainingRunComponents: readonly TSchema[] = [
  TrainingParameters,
  GivenParameters,
  StartTrainingRun,
  TrainingRun,
  TrainingRunDetail,
  TrainingRunList,
];
