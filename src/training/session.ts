/** A checkpoint's gradient graph, opened: loss and gradient of one micro-batch. Only child processes import this file. */
import { type Checkpoint, readUnchanged } from '../checkpoint/checkpoint.js';
import { adapterFeeds, commonShape } from '../graph/adapter-feeds.js';
import { batch } from '../graph/batch.js';
import { type Linears, float32Linears, int8TrainingLinears } from '../graph/linears.js';
import { compile } from '../graph/onnx.js';
import { LOSS, TARGETS, gradientOutput, lowestLayer, trainingGraph } from '../graph/training.js';
import { type Weights, weightsOf } from '../graph/weights.js';
import { int8Limit } from '../runtime/int8.js';
import { type Feeds, openSession } from '../runtime/session.js';
import type { TrainingPrecision } from '../recipe.js';
import { dropoutFeeds } from './dropout.js';
import { openLowerLayers } from './lower-layers.js';
import type { MicroBatch, MicroResult } from './micro-batch.js';
import { PASSES } from './passes.js';
import { type LoraPlan, type ParameterLayout, type ParameterTensor, adapterOf, parameterLayout } from './parameters.js';

export interface TrainingOptions {
  readonly checkpoint: Checkpoint;
  readonly plan: LoraPlan;
  /** Probability that an element of a LoRA branch's input is dropped; 0: no dropout. */
  readonly dropout: number;
  readonly seed: number;
  readonly threads: number;
  /** float32 by default. */
  readonly precision?: TrainingPrecision;
}

export interface TrainingSession {
  readonly layout: ParameterLayout;
  /** `step` counts optimizer steps and, with the seed, decides the dropout. Blocks its thread while it runs. */
  run(parameters: Float32Array, micro: MicroBatch, step: number): Promise<MicroResult>;
}

export async function openTraining({
  checkpoint,
  plan,
  dropout,
  seed,
  threads,
  precision = 'float32',
}: TrainingOptions): Promise<TrainingSession> {
  const { config, directory } = checkpoint;
  const layout = parameterLayout(config, plan);
  const shape = { ...commonShape([adapterOf(layout, new Float32Array(layout.length))], false), bank: false } as const;
  const linears = await linearsIn(precision, weightsOf(checkpoint));
  const graph = trainingGraph(checkpoint, { adapter: shape, modules: plan.modules, dropout: dropout > 0, linears });
  const compiled = compile(graph.outputs);
  const session = await readUnchanged(checkpoint, () => openSession(compiled, { directory, threads }));
  const below = await openLowerLayers({ checkpoint, layers: lowestLayer(plan.modules), precision, threads });
  const masks = dropoutFeeds(config, graph.masks, dropout);
  return {
    layout,
    run: async (parameters, micro, step) => {
      const { feeds, bindings } = batch(config, micro.rows);
      const results = await session.run(
        {
          ...feeds,
          ...(await below(micro.rows)),
          ...adapterFeeds(config, [adapterOf(layout, parameters)], shape),
          ...masks({ seed, step, places: micro.places }, bindings),
          [TARGETS]: targets(micro),
        },
        bindings,
      );
      return { loss: results[LOSS]![0]!, gradient: collected(layout, results, shape.rank) };
    },
  };
}

async function linearsIn(precision: TrainingPrecision, weights: Weights): Promise<Linears> {
  if (precision === 'float32') return float32Linears(weights);
  return int8TrainingLinears(weights, await int8Limit(), PASSES[precision]);
}

function targets({ targets: rows }: MicroBatch): Feeds[string] {
  const labels = rows[0]!.length;
  return {
    data: Float32Array.from({ length: rows.length * labels }, (_, i) => rows[Math.floor(i / labels)]![i % labels]!),
    shape: [rows.length, labels],
  };
}

/** The graph's gradients as one vector: padding of the rank left out; the graph's B is ours times the scale. */
function collected(
  { tensors, length, plan }: ParameterLayout,
  results: Record<string, Float32Array>,
  rank: number,
): Float32Array {
  const gradient = new Float32Array(length);
  for (const tensor of tensors) {
    const found = results[gradientOutput(tensor.name)]!;
    if (isLoraB(tensor))
      unpadColumns(found, rank, gradient.subarray(tensor.offset, tensor.offset + tensor.length), plan);
    else gradient.set(found.subarray(0, tensor.length), tensor.offset);
  }
  return gradient;
}

const isLoraB = ({ name }: ParameterTensor): boolean => name.endsWith('lora_B');

function unpadColumns(from: Float32Array, width: number, to: Float32Array, { rank, scale }: LoraPlan): void {
  for (let row = 0; row * rank < to.length; row++) {
    for (let r = 0; r < rank; r++) to[row * rank + r] = scale * from[row * width + r]!;
  }
}
