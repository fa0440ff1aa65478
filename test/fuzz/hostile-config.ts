/** Changes of an adapter_config.json. */
import fc, { type Arbitrary } from 'fast-check';
import { type Change, unlessBroken } from './hostile-bytes.js';
import { spoiledJson } from './hostile-json.js';
import { ODD_VALUES } from './odd.js';
import { Raw, write } from './raw-json.js';

const CONFIG_VALUES: readonly unknown[] = [
  ...ODD_VALUES,
  ['.*'],
  '(a+)+$',
  '((((((((((a*)*)*)*)*)*)*)*)*)*$',
  'all-linear',
  ['query_proj', 'query_proj'],
  { query_proj: 3 },
  { 'layer.0.attention.self.query_proj': 64 },
  { '.*': 2 },
  { 'a+': 2 },
  65,
  1024,
  1e-300,
  1e300,
  new Raw('1e308'),
  new Raw(`{${Array.from({ length: 2000 }, (_, i) => `"m${i}":${i % 9}`).join(',')}}`),
  Array.from({ length: 5000 }, (_, i) => `layer${i}`),
];

const CONFIG_KEYS = [
  'r',
  'lora_alpha',
  'lora_dropout',
  'use_rslora',
  'use_dora',
  'rank_pattern',
  'alpha_pattern',
  'target_modules',
  'exclude_modules',
  'layers_to_transform',
  'layers_pattern',
  'modules_to_save',
  'init_lora_weights',
  'bias',
  'peft_type',
  'task_type',
  'base_model_name_or_path',
  'revision',
  'fan_in_fan_out',
  'target_parameters',
  'megatron_config',
];

/** Of a configuration: one key with another value, or anything anywhere. */
export function spoiledConfig(): Arbitrary<Change> {
  const member = fc.tuple(fc.constantFrom(...CONFIG_KEYS), fc.constantFrom(...CONFIG_VALUES), fc.boolean());
  const set = member.map(([key, value, twice]) => (config: unknown) => {
    const members = Object.entries(config as object).filter(([name]) => twice || name !== key);
    return new Raw(
      `{${[...members, [key, value] as const].map(([name, one]) => `${JSON.stringify(name)}:${write(one)}`).join(',')}}`,
    );
  });
  return fc.oneof({ weight: 3, arbitrary: set }, spoiledJson()).map((spoil) => (body: Buffer) => {
    return unlessBroken(body, () => Buffer.from(write(spoil(JSON.parse(body.toString())))));
  });
}
