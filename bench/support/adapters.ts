/** Random adapters for the engine: rank 8 on query and value. */
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { layerModule } from '../../src/checkpoint/names.js';
import type { AdapterTensors, LoraTensors } from '../../src/graph/adapter-feeds.js';

const LINEARS = ['attention.self.query_proj', 'attention.self.value_proj'] as const;
const RANK = 8;
const DEVIATION = 0.02;

export function randomAdapterTensors({ layers, hiddenSize, id2label }: DebertaConfig): AdapterTensors {
  const side = (): Float32Array => random(RANK * hiddenSize);
  const lora = (linear: LoraTensors['linear']): LoraTensors => ({ linear, rank: RANK, scale: 2, a: side(), b: side() });
  const modules = Array.from({ length: layers }, (_, layer) =>
    LINEARS.map((linear) => [layerModule(layer, linear), lora(linear)] as const),
  ).flat();
  const head = { weight: random(id2label.length * hiddenSize), bias: random(id2label.length) };
  return { modules: new Map(modules), head };
}

const random = (length: number): Float32Array =>
  Float32Array.from({ length }, () => DEVIATION * (2 * Math.random() - 1));
