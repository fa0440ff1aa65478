/** Small adapters of random numbers, written as PEFT directories. */
import {
  type Adapter,
  type AdapterFiles,
  type AdapterSettings,
  type LoraModule,
  writeAdapter,
} from '../../adapters/format.js';
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { type LayerLinear, layerModule, linearShape } from '../../src/checkpoint/names.js';

/** Uniform in [-1, 1), from Marsaglia's xorshift32. */
function numbers(seed: number): () => number {
  let state = seed * 2_654_435_761 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  };
}

export interface RandomAdapter {
  readonly seed: number;
  readonly r?: number;
  readonly linears?: readonly LayerLinear[];
  readonly settings?: Partial<AdapterSettings>;
  /** The size of what it changes. */
  readonly strength?: number;
}

export const QUERY_VALUE: readonly LayerLinear[] = ['attention.self.query_proj', 'attention.self.value_proj'];

export const settingsOf = (r: number): AdapterSettings => ({
  r,
  lora_alpha: 2 * r,
  lora_dropout: 0.1,
  base_model_name_or_path: 'a-base',
});

export function randomModules(
  base: DebertaConfig,
  { seed, r = 8, linears = QUERY_VALUE, strength = 0.3 }: RandomAdapter,
) {
  const next = numbers(seed);
  const array = (length: number): Float32Array => Float32Array.from({ length }, () => next() * strength);
  const modules = new Map<string, LoraModule>();
  for (let layer = 0; layer < base.layers; layer++)
    for (const linear of linears) {
      const [out, inner] = linearShape(base, linear);
      modules.set(layerModule(layer, linear), { linear, rank: r, scale: 2, a: array(r * inner), b: array(out * r) });
    }
  const labels = base.id2label.length;
  const head: Adapter['head'] = { weight: array(labels * base.hiddenSize), bias: array(labels) };
  return { modules, head };
}

export function randomAdapter(base: DebertaConfig, options: RandomAdapter): AdapterFiles {
  const { modules, head } = randomModules(base, options);
  return writeAdapter(modules, head, { ...settingsOf(options.r ?? 8), ...options.settings });
}

/** The body of POST /adapters. */
export function formOf({ config, weights }: AdapterFiles): FormData {
  const form = new FormData();
  form.append('adapter_config.json', new Blob([new Uint8Array(config)]), 'adapter_config.json');
  form.append('adapter_model.safetensors', new Blob([new Uint8Array(weights)]), 'adapter_model.safetensors');
  return form;
}
