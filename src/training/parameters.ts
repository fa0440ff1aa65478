/** What is trained, as one vector: A and B of every adapted module in the order of layers, then the head. */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { type LayerLinear, layerModule, linearShape } from '../checkpoint/names.js';
import type { AdapterTensors, LoraTensors } from '../graph/adapter-feeds.js';
import { HEAD_BIAS, HEAD_WEIGHT, loraInput } from '../graph/adapter-shape.js';
import type { AdaptedModule } from '../graph/training.js';
import { keyOf, uniform } from './random.js';

export interface LoraPlan {
  readonly rank: number;
  /** alpha / r */
  readonly scale: number;
  readonly modules: readonly AdaptedModule[];
}

export interface ParameterTensor {
  /** The graph input it is fed to; the graph's may be wider, its rank padded. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface ParameterLayout {
  readonly plan: LoraPlan;
  readonly tensors: readonly ParameterTensor[];
  readonly length: number;
}

/** Every layer's `linears`, or those of `layers` alone. */
export function lorasOf(
  config: DebertaConfig,
  linears: readonly LayerLinear[],
  layers?: readonly number[],
): AdaptedModule[] {
  const chosen = layers ?? Array.from({ length: config.layers }, (_, layer) => layer);
  return chosen.flatMap((layer) => linears.map((linear) => ({ layer, linear })));
}

export interface LoraSetup {
  readonly r: number;
  readonly lora_alpha: number;
  readonly linears: readonly LayerLinear[];
  /** null: all. */
  readonly layers_to_transform: readonly number[] | null;
}

/** The `linears` of the chosen layers at rank r, scaled as PEFT does; in the order of layers, whatever order was given. */
export function planOf(config: DebertaConfig, setup: LoraSetup): LoraPlan {
  const layers = setup.layers_to_transform?.toSorted((a, b) => a - b);
  return { rank: setup.r, scale: setup.lora_alpha / setup.r, modules: lorasOf(config, setup.linears, layers) };
}

export function parameterLayout(config: DebertaConfig, plan: LoraPlan): ParameterLayout {
  const labels = config.id2label.length;
  const shapes = [
    ...plan.modules.flatMap((module) => loraShapes(config, plan.rank, module)),
    [HEAD_WEIGHT, [labels, config.hiddenSize]],
    [HEAD_BIAS, [labels]],
  ] as const;
  let end = 0;
  const tensors = shapes.map(([name, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    return { name, shape, length, offset: (end += length) - length };
  });
  return { plan, tensors, length: end };
}

function loraShapes(
  config: DebertaConfig,
  rank: number,
  { layer, linear }: AdaptedModule,
): (readonly [string, readonly number[]])[] {
  const [out, inner] = linearShape(config, linear);
  const module = layerModule(layer, linear);
  return [
    [loraInput(module, 'A'), [rank, inner]],
    [loraInput(module, 'B'), [out, rank]],
  ];
}

/**
 * The start of a run, as PEFT's: A uniform in ±1/√in (kaiming_uniform with a = √5), B zero, the head the base's own.
 */
export function initialParameters(layout: ParameterLayout, head: AdapterTensors['head'], seed: number): Float32Array {
  const parameters = new Float32Array(layout.length);
  layout.tensors.forEach(({ name, shape, offset, length }, i) => {
    if (name === HEAD_WEIGHT) parameters.set(head.weight, offset);
    else if (name === HEAD_BIAS) parameters.set(head.bias, offset);
    else if (name.endsWith('A'))
      fillUniform(parameters.subarray(offset, offset + length), 1 / Math.sqrt(shape[1]!), seed, i);
  });
  return parameters;
}

function fillUniform(out: Float32Array, bound: number, seed: number, tensor: number): void {
  const key = keyOf(seed, tensor);
  for (let i = 0; i < out.length; i++) out[i] = bound * (2 * uniform(key, i) - 1);
}

/** Views of `parameters` as an adapter. */
export function adapterOf({ plan, tensors }: ParameterLayout, parameters: Float32Array): AdapterTensors {
  const views = new Map(
    tensors.map(({ name, offset, length }) => [name, parameters.subarray(offset, offset + length)]),
  );
  const modules = plan.modules.map(({ layer, linear }): [string, LoraTensors] => {
    const module = layerModule(layer, linear);
    const [a, b] = [views.get(loraInput(module, 'A'))!, views.get(loraInput(module, 'B'))!];
    return [module, { linear, rank: plan.rank, scale: plan.scale, a, b }];
  });
  return { modules: new Map(modules), head: { weight: views.get(HEAD_WEIGHT)!, bias: views.get(HEAD_BIAS)! } };
}

/** The vector of an adapter that has the layout's modules and rank; throws a TypeError where it has not. */
export function parametersOf(layout: ParameterLayout, { modules, head }: AdapterTensors): Float32Array {
  const tensors = new Map([
    [HEAD_WEIGHT, head.weight],
    [HEAD_BIAS, head.bias],
  ]);
  for (const [module, { a, b }] of modules) tensors.set(loraInput(module, 'A'), a).set(loraInput(module, 'B'), b);
  const parameters = new Float32Array(layout.length);
  for (const { name, offset, length } of layout.tensors) {
    const tensor = tensors.get(name);
    if (tensor?.length !== length) throw new TypeError(`the adapter's ${name} does not fit the layout`);
    parameters.set(tensor, offset);
  }
  return parameters;
}
