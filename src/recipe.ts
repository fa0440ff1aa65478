/** How a training run learns: its parameters with their defaults and bounds, in one table that the schema is made of too. */
import { Problem } from './errors.js';

/** PEFT's names: a target stands for every Linear of the encoder's layers that it is, or whose name ends with `.` + it. */
export const TARGET_MODULES = [
  'query_proj',
  'key_proj',
  'value_proj',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
] as const;
export type TargetModule = (typeof TARGET_MODULES)[number];

/** What is learnt beside the corrections: nothing, or as many confirmations, so that what was right stays right. */
export const REPLAYS = ['none', 'confirmations'] as const;
export type Replay = (typeof REPLAYS)[number];

/** Numbers of the base model's Linears while it trains: in 8-bit integers are neither pass, one of the two, or both. */
export const TRAINING_PRECISIONS = ['float32', 'int8_backward', 'int8_forward', 'int8'] as const;
export type TrainingPrecision = (typeof TRAINING_PRECISIONS)[number];

interface NumberField {
  readonly kind: 'integer' | 'number';
  readonly least: number;
  readonly most: number;
  readonly fallback: number;
  readonly help: string;
}

interface WordField<W extends string> {
  readonly kind: 'word';
  readonly words: readonly W[];
  readonly fallback: W;
  readonly help: string;
}

interface WordsField<W extends string> {
  readonly kind: 'words';
  readonly words: readonly W[];
  readonly fallback: readonly W[];
  readonly help: string;
}

interface LayersField {
  readonly kind: 'layers';
  readonly most: number;
  readonly fallback: null;
  readonly help: string;
}

type Field = NumberField | WordField<string> | WordsField<string> | LayersField;

const integer = (fallback: number, least: number, most: number, help: string): NumberField => ({
  kind: 'integer',
  least,
  most,
  fallback,
  help,
});

const number = (fallback: number, least: number, most: number, help: string): NumberField => ({
  kind: 'number',
  least,
  most,
  fallback,
  help,
});

/** Bounds are both allowed. */
export const RECIPE = {
  r: integer(8, 1, 64, 'Rank of the adapter.'),
  lora_alpha: number(16, 0.001, 1024, 'The adapter is scaled by lora_alpha / r.'),
  lora_dropout: number(0.1, 0, 0.9, "Share of a LoRA branch's input that a step drops."),
  target_modules: {
    kind: 'words',
    words: TARGET_MODULES,
    fallback: ['query_proj', 'value_proj'],
    help: 'The Linears of each layer that are adapted; the classifier is always trained.',
  } as WordsField<TargetModule>,
  layers_to_transform: {
    kind: 'layers',
    most: 255,
    fallback: null,
    help: 'Numbers of the layers that are adapted, from 0; null: all. What lies below the lowest is computed once for each row.',
  } as LayersField,
  learning_rate: number(2e-4, 1e-8, 1, 'Its peak, after the warm-up.'),
  epochs: integer(3, 1, 100, 'How often each row is learnt from.'),
  batch_size: integer(8, 1, 256, 'Rows of an optimizer step.'),
  replay: {
    kind: 'word',
    words: REPLAYS,
    fallback: 'confirmations',
    help: '`confirmations` adds a confirmed judgement for each correction, again from the first where there are fewer.',
  } as WordField<Replay>,
  precision: {
    kind: 'word',
    words: TRAINING_PRECISIONS,
    fallback: 'int8_backward',
    help: "Numbers of the base model's Linears while training: `int8_backward` computes their gradients in 8-bit integers, `int8_forward` what they yield, `int8` both.",
  } as WordField<TrainingPrecision>,
  warmup_ratio: number(0.1, 0, 1, 'Share of the steps in which the learning rate rises to its peak.'),
  weight_decay: number(0.01, 0, 1, "AdamW's, on everything that is trained."),
  max_grad_norm: number(1, 0, 1000, 'A longer gradient is shortened to this; 0: none is.'),
  seed: integer(42, 0, 2 ** 31 - 1, 'Of the start, the order of the rows, and the dropout.'),
  min_confidence: number(0.8, 0, 1, 'Only corrections of judgements above this confidence are learnt from.'),
  min_corrections: integer(100, 1, 1_000_000, 'Fewer usable corrections start no run without `force`.'),
  max_tokens: integer(512, 64, 4096, 'Longest encoded pair; at most ERRATA_MAX_TOKENS, which is the default.'),
} as const satisfies Record<string, Field>;

export type RecipeKey = keyof typeof RECIPE;

type Value<F> =
  F extends WordsField<infer W>
    ? readonly W[]
    : F extends WordField<infer W>
      ? W
      : F extends LayersField
        ? readonly number[] | null
        : number;

/** Every parameter of a run. */
export type Recipe = { readonly [K in RecipeKey]: Value<(typeof RECIPE)[K]> };

export const RECIPE_KEYS = Object.keys(RECIPE) as RecipeKey[];

export const RECIPE_DEFAULTS: Recipe = Object.freeze(
  Object.fromEntries(RECIPE_KEYS.map((key) => [key, RECIPE[key].fallback])),
) as Recipe;

/** What is wrong with the value, in words that name the limit; undefined when nothing is. */
export function recipeFault(key: RecipeKey, value: unknown): string | undefined {
  const field: Field = RECIPE[key];
  if (field.kind === 'word') return oneOf(field.words, value) ? undefined : `must be one of ${field.words.join(', ')}`;
  if (field.kind === 'words') {
    const fits = Array.isArray(value) && value.length > 0 && value.every((one) => oneOf(field.words, one));
    const distinct = fits && new Set(value).size === value.length;
    return distinct ? undefined : `must be a list of different words out of ${field.words.join(', ')}`;
  }
  if (field.kind === 'layers') return layersFault(field, value);
  const whole = field.kind === 'integer';
  const fits = typeof value === 'number' && (whole ? Number.isSafeInteger(value) : Number.isFinite(value));
  if (fits && value >= field.least && value <= field.most) return undefined;
  return `must be ${whole ? 'an integer' : 'a number'} from ${field.least} to ${field.most}`;
}

function layersFault({ most }: LayersField, value: unknown): string | undefined {
  if (value === null) return undefined;
  const layer = (n: unknown): boolean => Number.isInteger(n) && Number(n) >= 0 && Number(n) <= most;
  const fits = Array.isArray(value) && value.length > 0 && value.every(layer) && new Set(value).size === value.length;
  return fits ? undefined : `must be null or a list of different layer numbers from 0 to ${most}`;
}

const oneOf = (words: readonly string[], value: unknown): boolean => words.some((word) => word === value);

/**
 * Checks parameters from wherever they come. `where` goes before each name, as in `/parameters/` or `errata.json: training.`.
 * Throws Problem 'invalid-request' with every fault.
 */
export function checkRecipe(given: unknown, where: string): Partial<Recipe> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw refused([[where, 'must be an object']]);
  const faults = Object.entries(given).flatMap(([key, value]): [string, string][] => {
    const known = RECIPE_KEYS.find((name) => name === key);
    const fault = known === undefined ? `is not known; known are ${RECIPE_KEYS.join(', ')}` : recipeFault(known, value);
    return fault === undefined ? [] : [[`${where}${key}`, fault]];
  });
  if (faults.length > 0) throw refused(faults);
  return given;
}

function refused(faults: readonly (readonly [pointer: string, detail: string])[]): Problem {
  const errors = faults.map(([pointer, detail]) => ({ pointer, detail }));
  const detail = errors.map((error) => `${error.pointer} ${error.detail}`).join('; ');
  return new Problem('invalid-request', detail, { errors });
}

/** Later layers win: the service's defaults, the model folder's, the run's own. */
export const layered = (...layers: readonly Partial<Recipe>[]): Recipe =>
  Object.freeze(Object.assign({}, RECIPE_DEFAULTS, ...layers) as Recipe);
