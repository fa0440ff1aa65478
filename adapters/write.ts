/** The writing half of the PEFT format: files that PEFT loads and parseAdapter reads back unchanged. */
import { type NamedTensor, writeTensors } from '../src/tensors/safetensors.js';
import type { Adapter, LoraModule } from './adapter.js';
import { HEAD_BIAS, HEAD_WEIGHT, loraName } from './names.js';
import { AdapterError, forModule } from './peft-config.js';

export interface AdapterFiles {
  /** adapter_config.json */
  readonly config: Uint8Array;
  /** adapter_model.safetensors */
  readonly weights: Uint8Array;
}

/** What the modules alone do not tell. A parsed adapter's `config` is one, once it names its base. */
export interface AdapterSettings {
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  /** PEFT loads the base model by this name. */
  readonly base_model_name_or_path: string;
  readonly revision?: string | null;
  /** By default the names of `modules`, short where every layer has the module. */
  readonly target_modules?: readonly string[] | string | null;
  readonly exclude_modules?: readonly string[] | string | null;
  readonly layers_to_transform?: readonly number[] | null;
  readonly use_rslora?: boolean;
  readonly rank_pattern?: ReadonlyMap<string, number>;
  readonly alpha_pattern?: ReadonlyMap<string, number>;
}

type Modules = Adapter['modules'];

/**
 * The two files of a PEFT directory, byte for byte the same for the same input.
 * @param modules A [rank, in] and B [out, rank] by the module's name in the checkpoint
 * @param head weight [labels, hidden] and bias [labels]; PEFT always wants it, a copy of the base model's will do
 * @throws AdapterError where a module's rank or scale is not what `settings` say
 */
export function writeAdapter(modules: Modules, head: Adapter['head'], settings: AdapterSettings): AdapterFiles {
  for (const [name, module] of modules) checkModule(name, module, settings);
  return { config: configBytes(modules, settings), weights: writeTensors(tensors(modules, head)) };
}

function checkModule(name: string, { rank, scale }: LoraModule, settings: AdapterSettings): void {
  const expectedRank = forModule(settings.rank_pattern ?? new Map(), name, settings.r);
  const alpha = forModule(settings.alpha_pattern ?? new Map(), name, settings.lora_alpha);
  const expectedScale = alpha / (settings.use_rslora === true ? Math.sqrt(rank) : rank);
  if (rank === expectedRank && scale === expectedScale) return;
  const [has, says] = [`rank ${rank} and scale ${scale}`, `rank ${expectedRank} and scale ${expectedScale}`];
  throw new AdapterError(`${name} has ${has}, its settings say ${says}`);
}

/** In the order of names, as PEFT's own files are. */
function tensors(modules: Modules, { weight, bias }: Adapter['head']): NamedTensor[] {
  const loras = [...modules].flatMap(([name, { rank, a, b }]) => [
    { name: loraName(name, 'A'), shape: [rank, a.length / rank], data: a },
    { name: loraName(name, 'B'), shape: [b.length / rank, rank], data: b },
  ]);
  const heads = [
    { name: HEAD_BIAS, shape: [bias.length], data: bias },
    { name: HEAD_WEIGHT, shape: [bias.length, weight.length / bias.length], data: weight },
  ];
  return [...heads, ...loras].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function configBytes(modules: Modules, settings: AdapterSettings): Uint8Array {
  const config = {
    alpha_pattern: Object.fromEntries(settings.alpha_pattern ?? []),
    auto_mapping: null,
    base_model_name_or_path: settings.base_model_name_or_path,
    bias: 'none',
    // Unknown to older versions of PEFT, so only where it says something.
    ...((settings.exclude_modules ?? null) !== null && { exclude_modules: settings.exclude_modules }),
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: settings.layers_to_transform ?? null,
    lora_alpha: settings.lora_alpha,
    lora_dropout: settings.lora_dropout,
    modules_to_save: ['classifier', 'score'],
    peft_type: 'LORA',
    r: settings.r,
    rank_pattern: Object.fromEntries(settings.rank_pattern ?? []),
    revision: settings.revision ?? null,
    target_modules: sorted(settings.target_modules) ?? targetNames(modules),
    task_type: 'SEQ_CLS',
    use_dora: false,
    use_rslora: settings.use_rslora ?? false,
  };
  return new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`);
}

const sorted = (names: readonly string[] | string | null | undefined): readonly string[] | string | null =>
  Array.isArray(names) ? (names as readonly string[]).toSorted() : ((names as string | null | undefined) ?? null);

/**
 * PEFT adapts every module whose name ends with one of these. So a short name is only given where each layer has the
 * module and no other module ends alike: `output.dense` would also mean `attention.output.dense`.
 */
function targetNames(modules: Modules): string[] {
  const layerOf = (name: string): string => /\.layer\.(\d+)\./.exec(name)?.[1] ?? '';
  const layers = new Set([...modules.keys()].map(layerOf));
  const linears = [...modules].map(([name, { linear }]) => {
    const everywhere = [...modules.values()].filter((other) => other.linear === linear).length === layers.size;
    return everywhere && linear.endsWith('_proj') ? (linear.split('.').at(-1) as string) : name;
  });
  return [...new Set(linears)].sort();
}
