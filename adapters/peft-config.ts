/**
 * adapter_config.json as PEFT reads and writes it (peft, tuners/lora/config.py). What would change the answer and is not
 * supported is refused by name; keys that only steer training or loading elsewhere are let pass.
 */
import { parseStrictJson, shown } from '../src/tensors/json.js';

/** An adapter that cannot be used: the message names the key or the tensor. */
export class AdapterError extends Error {
  override readonly name = 'AdapterError';
}

export interface PeftConfig {
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  readonly rank_pattern: ReadonlyMap<string, number>;
  readonly alpha_pattern: ReadonlyMap<string, number>;
  readonly lora_dropout: number;
  readonly base_model_name_or_path: string | null;
  readonly revision: string | null;
  /** Names of modules, whole or from a dot on; a text is a regular expression or `all-linear`; null: PEFT's default. */
  readonly target_modules: readonly string[] | string | null;
  readonly exclude_modules: readonly string[] | string | null;
  /** null: all. */
  readonly layers_to_transform: readonly number[] | null;
}

export const MAX_RANK = 64;
export const MAX_CONFIG_BYTES = 64 * 1024;
const HEAD_NAMES = ['classifier', 'score'];

type Json = ReadonlyMap<string, unknown>;
const fail = (reason: string): AdapterError => new AdapterError(`adapter_config.json: ${reason}`);

/** Absent, null, false and empty all mean "not used". */
const unused = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  (value instanceof Map && value.size === 0) ||
  (Array.isArray(value) && value.length === 0);

/** Ways to begin that leave the base model's weights as they are: the others (PiSSA, OLoRA, LoftQ …) change them at load. */
const INITIALISATIONS = [true, false, 'gaussian', 'orthogonal', 'eva', null, undefined] as const;

/** Keys whose use would change what the adapter computes. */
const UNSUPPORTED = [
  'use_dora',
  'lora_bias',
  'target_parameters',
  'layer_replication',
  'trainable_token_indices',
  'use_qalora',
  'use_bdlora',
  'alora_invocation_tokens',
  'arrow_config',
  'fan_in_fan_out',
  'megatron_config',
  'kasa_config',
  'velora_config',
  'monteclora_config',
] as const;

/** Throws AdapterError naming the key and what is supported. */
export function parsePeftConfig(bytes: Uint8Array): PeftConfig {
  if (bytes.length > MAX_CONFIG_BYTES) throw fail(`has ${bytes.length} bytes; at most ${MAX_CONFIG_BYTES} are read`);
  const json = parseStrictJson(bytes, (reason) => fail(`is not valid JSON: ${reason}`));
  if (!(json instanceof Map)) throw fail('is not a JSON object');
  oneOf(json, 'peft_type', ['LORA']);
  oneOf(json, 'task_type', ['SEQ_CLS']);
  oneOf(json, 'bias', ['none', undefined]);
  for (const key of UNSUPPORTED)
    if (!unused(json.get(key))) throw fail(`${key} is ${shown(json.get(key))}; it is not supported`);
  checkModulesToSave(json.get('modules_to_save'));
  oneOf(json, 'init_lora_weights', INITIALISATIONS);
  return Object.freeze({
    r: rank(json.get('r') ?? 8, 'r'),
    lora_alpha: alpha(json.get('lora_alpha') ?? 8, 'lora_alpha'),
    use_rslora: boolean(json, 'use_rslora'),
    rank_pattern: pattern(json, 'rank_pattern', rank),
    alpha_pattern: pattern(json, 'alpha_pattern', alpha),
    lora_dropout: dropout(json.get('lora_dropout') ?? 0),
    base_model_name_or_path: name(json, 'base_model_name_or_path'),
    revision: name(json, 'revision'),
    target_modules: modules(json, 'target_modules'),
    exclude_modules: modules(json, 'exclude_modules'),
    layers_to_transform: layers(json),
  });
}

function oneOf(json: Json, key: string, values: readonly unknown[]): void {
  if (!values.includes(json.get(key)))
    throw fail(`${key} is ${shown(json.get(key))}; supported: ${JSON.stringify(values[0])}`);
}

function checkModulesToSave(value: unknown): void {
  const fits = unused(value) || (Array.isArray(value) && value.every((v) => HEAD_NAMES.includes(v as string)));
  if (!fits) throw fail(`modules_to_save is ${shown(value)}; supported: ${HEAD_NAMES.join(', ')}`);
}

function rank(value: unknown, key: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_RANK) return value;
  throw fail(`${key} is ${shown(value)}; an integer from 1 to ${MAX_RANK} is needed`);
}

function alpha(value: unknown, key: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw fail(`${key} is ${shown(value)}; a number above 0 is needed`);
}

function dropout(value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value < 1) return value;
  throw fail(`lora_dropout is ${shown(value)}; a number from 0 to below 1 is needed`);
}

function name(json: Json, key: string): string | null {
  const value = json.get(key) ?? null;
  if (value === null || typeof value === 'string') return value;
  throw fail(`${key} is ${shown(value)}; a text or null is needed`);
}

function modules(json: Json, key: string): readonly string[] | string | null {
  const value = json.get(key) ?? null;
  if (value === null || typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((v) => typeof v === 'string')) return value;
  throw fail(`${key} is ${shown(value)}; a list of module names is needed`);
}

function layers(json: Json): readonly number[] | null {
  const value = json.get('layers_to_transform') ?? null;
  if (value === null) return null;
  const list: unknown[] = [value].flat();
  if (list.every((v): v is number => Number.isSafeInteger(v))) return list.length === 0 ? null : list;
  throw fail(`layers_to_transform is ${shown(value)}; layer numbers are needed`);
}

function boolean(json: Json, key: string): boolean {
  const value = json.get(key) ?? false;
  if (typeof value === 'boolean') return value;
  throw fail(`${key} is ${shown(value)}; true or false is needed`);
}

function pattern(json: Json, key: string, check: (value: unknown, key: string) => number): ReadonlyMap<string, number> {
  const value = json.get(key) ?? new Map();
  if (!(value instanceof Map)) throw fail(`${key} is ${shown(value)}; an object is needed`);
  const expression = [...value.keys()].find((module) => !/^[\w.]+$/.test(String(module)));
  if (expression !== undefined) throw fail(`${key} has ${shown(expression)}; only names of modules are supported`);
  return new Map([...value].map(([module, n]) => [String(module), check(n, `${key}.${shortened(String(module))}`)]));
}

/** A message names the key; a stranger's can have kilobytes. */
const shortened = (module: string): string => (module.length > 200 ? `${module.slice(0, 200)}…` : module);

const isNamed = (module: string, key: string): boolean => module === key || module.endsWith(`.${key}`);

/** The value of the first pattern-key that the module's name ends with, as PEFT's get_pattern_key finds it, else `fallback`. */
export function forModule(patterns: ReadonlyMap<string, number>, module: string, fallback: number): number {
  for (const [key, n] of patterns) if (isNamed(module, key)) return n;
  return fallback;
}

/** Whether PEFT would adapt this module of this layer. What only a regular expression decides is taken to fit. */
export function isTargeted(config: PeftConfig, module: string, layer: number): boolean {
  const { target_modules, exclude_modules, layers_to_transform } = config;
  if (Array.isArray(exclude_modules) && exclude_modules.some((key: string) => isNamed(module, key))) return false;
  if (layers_to_transform !== null && !layers_to_transform.includes(layer)) return false;
  return !Array.isArray(target_modules) || target_modules.some((key: string) => isNamed(module, key));
}
