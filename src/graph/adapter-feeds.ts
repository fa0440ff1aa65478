/** An adapter's tensors as the inputs of a graph: ranks padded with zeros, B scaled, missing modules zero. */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { type LayerLinear, layerModule, linearShape } from '../checkpoint/names.js';
import {
  type AdapterShape,
  HEAD_BIAS,
  HEAD_WEIGHT,
  RANKS,
  type Rank,
  TARGET_SETS,
  type TargetSet,
  loraInput,
} from './adapter-shape.js';
import type { BatchTensor } from './batch.js';

export interface LoraTensors {
  readonly linear: LayerLinear;
  readonly rank: number;
  readonly scale: number;
  /** [rank, in] and [out, rank], row-major. */
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export interface AdapterTensors {
  readonly modules: ReadonlyMap<string, LoraTensors>;
  readonly head: { readonly weight: Float32Array; readonly bias: Float32Array };
}

export type AdapterFeeds = Readonly<Record<string, BatchTensor>>;

/** The smallest graph that all of `adapters` fit into. */
export function commonShape(adapters: readonly AdapterTensors[], bank: boolean): AdapterShape {
  const modules = adapters.flatMap(({ modules: m }) => [...m.values()]);
  const largest = Math.max(1, ...modules.map(({ rank }) => rank));
  const rank = RANKS.find((r) => r >= largest);
  if (!rank) throw new RangeError(`rank ${largest} is above ${RANKS.at(-1)}`);
  const sets = Object.keys(TARGET_SETS) as TargetSet[];
  const targets = sets.find((set) =>
    modules.every(({ linear }) => (TARGET_SETS[set] as readonly LayerLinear[]).includes(linear)),
  );
  return { targets: targets ?? 'all', rank, bank };
}

/** Feeds for a graph of `shape`; with `shape.bank` the adapters are stacked along a leading axis, in order. */
export function adapterFeeds(
  config: DebertaConfig,
  adapters: readonly AdapterTensors[],
  shape: AdapterShape,
): AdapterFeeds {
  const leading = shape.bank ? [adapters.length] : [];
  const stacked = (dims: readonly number[], data: readonly Float32Array[]): BatchTensor => ({
    data: shape.bank ? concat(data) : data[0]!,
    shape: [...leading, ...dims],
  });
  const feeds: Record<string, BatchTensor> = {
    [HEAD_WEIGHT]: stacked(
      [config.id2label.length, config.hiddenSize],
      adapters.map(({ head }) => head.weight),
    ),
    [HEAD_BIAS]: stacked(
      [config.id2label.length],
      adapters.map(({ head }) => head.bias),
    ),
  };
  for (const { module, linear } of targetModules(config, shape)) {
    const [out, inner] = linearShape(config, linear);
    const sides = adapters.map(({ modules }) => padded(modules.get(module), out, inner, shape.rank));
    feeds[loraInput(module, 'A')] = stacked(
      [shape.rank, inner],
      sides.map(({ a }) => a),
    );
    feeds[loraInput(module, 'B')] = stacked(
      [out, shape.rank],
      sides.map(({ b }) => b),
    );
  }
  return feeds;
}

function targetModules(
  { layers }: DebertaConfig,
  { targets }: AdapterShape,
): { module: string; linear: LayerLinear }[] {
  return Array.from({ length: layers }, (_, layer) =>
    TARGET_SETS[targets].map((linear) => ({ linear, module: layerModule(layer, linear) })),
  ).flat();
}

function padded(
  lora: LoraTensors | undefined,
  out: number,
  inner: number,
  rank: Rank,
): { a: Float32Array; b: Float32Array } {
  const [a, b] = [new Float32Array(rank * inner), new Float32Array(out * rank)];
  if (!lora) return { a, b };
  a.set(lora.a);
  for (let o = 0; o < out; o++) {
    for (let r = 0; r < lora.rank; r++) b[o * rank + r] = lora.b[o * lora.rank + r]! * lora.scale;
  }
  return { a, b };
}

function concat(arrays: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  arrays.reduce((offset, array) => (whole.set(array, offset), offset + array.length), 0);
  return whole;
}
