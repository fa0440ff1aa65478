/** PEFT adapters for tests: random ones of any rank and targets, as files. */
import { parseAdapter, type Adapter } from '../../adapters/format.js';
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { type LayerLinear, layerModule, linearShape } from '../../src/checkpoint/names.js';
import { elements } from './array.js';
import { floats, generator } from './random.js';
import { type ElementType, type Tensors, type TestTensor, encode } from './tensor-bytes.js';

export type PeftJson = Readonly<Record<string, unknown>>;

/** The configuration PEFT writes for a LoRA sequence classifier. */
export const peftJson = (changes: PeftJson = {}): PeftJson => ({
  peft_type: 'LORA',
  task_type: 'SEQ_CLS',
  bias: 'none',
  base_model_name_or_path: 'somebody/something',
  inference_mode: true,
  init_lora_weights: true,
  modules_to_save: ['classifier', 'score'],
  target_modules: ['query_proj', 'value_proj'],
  r: 8,
  lora_alpha: 16,
  lora_dropout: 0.1,
  ...changes,
});

export interface RandomAdapter {
  readonly linears: readonly LayerLinear[];
  readonly rank?: number;
  /** By linear, where it differs from `rank`. */
  readonly ranks?: Partial<Record<LayerLinear, number>>;
  readonly seed?: number;
  readonly zeroB?: boolean;
}

const PREFIX = 'base_model.model';

/** lora_A, lora_B of every layer's `linears`, and a head. */
export function adapterTensors(
  base: DebertaConfig,
  { linears, rank = 8, ranks = {}, seed = 1, zeroB = false }: RandomAdapter,
): Tensors {
  const random = generator(seed);
  const tensor = (...shape: number[]): TestTensor => ({ shape, data: floats(random, elements(shape), 0.3) });
  const modules = Array.from({ length: base.layers }, (_, layer) =>
    linears.flatMap((linear) => {
      const [out, inner] = linearShape(base, linear);
      const r = ranks[linear] ?? rank;
      const name = `${PREFIX}.${layerModule(layer, linear)}`;
      const b = tensor(out, r);
      return [
        [`${name}.lora_A.weight`, tensor(r, inner)],
        [`${name}.lora_B.weight`, zeroB ? { ...b, data: new Float32Array(b.data.length) } : b],
      ] as const;
    }),
  ).flat();
  const labels = base.id2label.length;
  return new Map([
    ...modules,
    [`${PREFIX}.classifier.weight`, tensor(labels, base.hiddenSize)],
    [`${PREFIX}.classifier.bias`, tensor(labels)],
  ]);
}

export const parse = (
  json: PeftJson | string,
  tensors: Tensors,
  base: DebertaConfig,
  type: ElementType = 'F32',
): Adapter =>
  parseAdapter(Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)), encode(tensors, type), base);

/** A random adapter, read back. */
export const randomAdapter = (base: DebertaConfig, given: RandomAdapter, changes: PeftJson = {}): Adapter =>
  parse(peftJson({ r: given.rank ?? 8, ...changes }), adapterTensors(base, given), base);
