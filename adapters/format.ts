/**
 * A LoRA adapter as a PEFT directory holds it: adapter_config.json + adapter_model.safetensors
 * (https://huggingface.co/docs/peft/developer_guides/checkpoint).
 */
import { createHash } from 'node:crypto';
import type { DebertaConfig } from '../src/checkpoint/checkpoint.js';
import { LAYER_LINEARS, type LayerLinear, layerModule, linearShape } from '../src/checkpoint/names.js';
import { toFloat32 } from '../src/tensors/dtype.js';
import { ADAPTER_LIMITS, SafetensorsError, type TensorEntry, parseTensorFile } from '../src/tensors/safetensors.js';
import type { Adapter, LoraModule } from './adapter.js';
import { HEAD_BIAS, HEAD_WEIGHT, loraName } from './names.js';
import { AdapterError, type PeftConfig, forModule, isTargeted, parsePeftConfig } from './peft-config.js';

export type { Adapter, LoraModule } from './adapter.js';
export { AdapterError, type PeftConfig } from './peft-config.js';
export { type AdapterFiles, type AdapterSettings, writeAdapter } from './write.js';

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
    weight: file.take(HEAD_WEIGHT, [labels, base.hiddenSize]),
    bias: file.take(HEAD_BIAS, [labels]),
  };
  file.refuseRest();
  return { digest: adapterDigest(modules, weightBytes), config, modules, head };
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
  { module, linear, layer }: ModuleName,
): [string, LoraModule][] {
  const [nameA, nameB] = [loraName(module, 'A'), loraName(module, 'B')];
  if (!file.has(nameA) && !file.has(nameB)) return [];
  if (!isTargeted(config, module, layer)) throw refused(`has ${module}, which adapter_config.json does not target`);
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
    if (name !== undefined) throw refused(`unexpected tensor ${JSON.stringify(name)}`);
  }
}

const refused = (reason: string): AdapterError => new AdapterError(`adapter_model.safetensors: ${reason}`);

/** Two configurations of one meaning give one digest; the order of a pattern's keys, which may decide, is accounted for. */
function adapterDigest(modules: ReadonlyMap<string, LoraModule>, weights: Uint8Array): string {
  const canonical = [...modules].map(([module, { rank, scale }]) => [module, rank, scale]);
  return createHash('sha256').update(weights).update(JSON.stringify(canonical)).digest('hex');
}
