/**
 * A LoRA adapter as a PEFT directory holds it: adapter_config.json + adapter_model.safetensors
 * (https://huggingface.co/docs/peft/developer_guides/checkpoint).
 */
import { createHash } from 'node:crypto';
import type { DebertaConfig } from '../src/checkpoint/checkpoint.js';
import { CLASSIFIER, LAYER_LINEARS, type LayerLinear, layerModule, linearShape } from '../src/checkpoint/names.js';
import { toFloat32 } from '../src/tensors/dtype.js';
import { shown } from '../src/tensors/json.js';
import { ADAPTER_LIMITS, SafetensorsError, type TensorEntry, parseTensorFile } from '../src/tensors/safetensors.js';
import { AdapterError, type PeftConfig, forModule, parsePeftConfig } from './peft-config.js';

export { AdapterError } from './peft-config.js';

export interface LoraModule {
  readonly linear: LayerLinear;
  readonly rank: number;
  /** alpha / r, or alpha / √r under rsLoRA. */
  readonly scale: number;
  /** [rank, in] and [out, rank], row-major. */
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export interface Adapter {
  /** SHA-256 of the weights file and the canonical configuration, in hex. */
  readonly digest: string;
  /** By the module's name in the checkpoint. */
  readonly modules: ReadonlyMap<string, LoraModule>;
  readonly head: { readonly weight: Float32Array; readonly bias: Float32Array };
}

const PREFIX = 'base_model.model.';

/** Throws AdapterError naming what does not fit `base`. */
export function parseAdapter(configBytes: Uint8Array, weightBytes: Uint8Array, base: DebertaConfig): Adapter {
  const config = parsePeftConfig(configBytes);
  const file = new Reader(weightBytes);
  const modules = new Map(
    loraModules(base).flatMap(([module, linear, layer]) => loraModule(file, config, base, { module, linear, layer })),
  );
  if (modules.size === 0) throw new AdapterError('adapter_model.safetensors: no lora_A of a known Linear in it');
  const labels = base.id2label.length;
  const head = {
    weight: file.take(`${PREFIX}${CLASSIFIER}.weight`, [labels, base.hiddenSize]),
    bias: file.take(`${PREFIX}${CLASSIFIER}.bias`, [labels]),
  };
  file.refuseRest();
  return { digest: adapterDigest(config, weightBytes), modules, head };
}

interface ModuleName {
  readonly module: string;
  readonly linear: LayerLinear;
  readonly layer: number;
}

function loraModules({ layers }: DebertaConfig): (readonly [string, LayerLinear, number])[] {
  return Array.from({ length: layers }, (_, layer) =>
    LAYER_LINEARS.map((linear) => [layerModule(layer, linear), linear, layer] as const),
  ).flat();
}

function loraModule(
  file: Reader,
  config: PeftConfig,
  base: DebertaConfig,
  { module, linear }: ModuleName,
): [string, LoraModule][] {
  const [nameA, nameB] = [`${PREFIX}${module}.lora_A.weight`, `${PREFIX}${module}.lora_B.weight`];
  if (!file.has(nameA) && !file.has(nameB)) return [];
  const rank = forModule(config.rank_pattern, module, config.r);
  const alpha = forModule(config.alpha_pattern, module, config.lora_alpha);
  const [out, inner] = linearShape(base, linear);
  const a = file.take(nameA, [rank, inner]);
  const b = file.take(nameB, [out, rank]);
  return [[module, { linear, rank, scale: alpha / (config.use_rslora ? Math.sqrt(rank) : rank), a, b }]];
}

/** Hands out each tensor once, checked; what is left at the end is refused. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #rest: Map<string, TensorEntry>;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    try {
      this.#rest = new Map(parseTensorFile(bytes, ADAPTER_LIMITS).tensors);
    } catch (error) {
      if (error instanceof SafetensorsError) throw refused(error.message);
      throw error;
    }
  }

  has(name: string): boolean {
    return this.#rest.has(name);
  }

  take(name: string, shape: readonly number[]): Float32Array {
    const entry = this.#rest.get(name);
    if (!entry) throw refused(`tensor ${name} is missing`);
    this.#rest.delete(name);
    if (entry.shape.join() !== shape.join()) {
      throw refused(`tensor ${name} has shape [${entry.shape.join(', ')}] where [${shape.join(', ')}] is needed`);
    }
    const data = toFloat32(this.#bytes.subarray(entry.offset, entry.offset + entry.length), entry.type);
    if (!data.every(Number.isFinite)) throw refused(`tensor ${name} has values that are not finite`);
    return data;
  }

  refuseRest(): void {
    const [name] = this.#rest.keys();
    if (name !== undefined) throw refused(`unexpected tensor ${shown(name)}`);
  }
}

const refused = (reason: string): AdapterError => new AdapterError(`adapter_model.safetensors: ${reason}`);

function adapterDigest(
  { r, lora_alpha, use_rslora, rank_pattern, alpha_pattern }: PeftConfig,
  weights: Uint8Array,
): string {
  const canonical = {
    r,
    lora_alpha,
    use_rslora,
    rank_pattern: sortedEntries(rank_pattern),
    alpha_pattern: sortedEntries(alpha_pattern),
  };
  return createHash('sha256').update(weights).update(JSON.stringify(canonical)).digest('hex');
}

const sortedEntries = (pattern: ReadonlyMap<string, number>): [string, number][] =>
  [...pattern].toSorted(([a], [b]) => (a < b ? -1 : 1));
