/** The golden check's training half: loss and gradients of one batch, and a run of AdamW steps, against PEFT's. */
import type { Adapter } from '../adapters/format.js';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { CLASSIFIER, layerModule } from './checkpoint/names.js';
import { HEAD_BIAS, HEAD_WEIGHT } from './graph/adapter-shape.js';
import { type MicroResult, microBatches, oneHot, summed } from './training/micro-batch.js';
import { adamWState, adamWStep } from './training/optimizer.js';
import { type ParameterLayout, lorasOf, parametersOf } from './training/parameters.js';
import { type TrainingSession, openTraining } from './training/session.js';

export interface GoldenBatch {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
}

export interface GoldenGradient extends GoldenBatch {
  readonly labels: number[];
  readonly loss: number;
  readonly grads: Readonly<Record<string, { readonly data: number[] }>>;
}

export interface GoldenTrajectory {
  readonly optimizer: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  readonly steps: readonly (GoldenBatch & { labels: number[]; loss: number })[];
}

/** The batch's rows without their padding. */
export const rowsOf = ({ input_ids, attention_mask }: GoldenBatch): Int32Array[] =>
  input_ids.map((ids, row) => Int32Array.from(ids.filter((_, i) => attention_mask[row]![i] === 1)));

/** The training session of an adapter of one rank, without dropout. */
export function openGolden(checkpoint: Checkpoint, { modules }: Adapter): Promise<TrainingSession> {
  const [{ rank, scale }] = modules.values() as unknown as [{ rank: number; scale: number }];
  const loras = lorasOf(checkpoint.config, [...new Set([...modules.values()].map(({ linear }) => linear))]);
  const plan = { rank, scale, modules: loras.filter(({ layer, linear }) => modules.has(layerModule(layer, linear))) };
  return openTraining({ checkpoint, plan, dropout: 0, seed: 0, threads: 1 });
}

/** Largest error of the loss, and of a gradient relative to the largest value of its tensor. */
export async function goldenGradient(
  session: TrainingSession,
  adapter: Adapter,
  expected: GoldenGradient,
): Promise<{ loss: number; gradient: number }> {
  const { loss, gradient } = await evaluate(session, parametersOf(session.layout, adapter), expected);
  const errors = session.layout.tensors.map(({ name, offset }) => {
    const { data } = expected.grads[peftName(name)]!;
    return largest(data, (x, i) => x - gradient[offset + i]!) / largest(data, (x) => x);
  });
  return { loss: Math.abs(loss - expected.loss), gradient: Math.max(...errors) };
}

/** Largest errors of the steps' losses and of the parameters they end with. */
export async function goldenTrajectory(
  session: TrainingSession,
  start: Adapter,
  { optimizer, steps }: GoldenTrajectory,
  end: Adapter | null,
): Promise<{ trajectory_loss: number; final_adapter?: number }> {
  const parameters = parametersOf(session.layout, start);
  const state = adamWState(parameters.length);
  const { lr, betas, eps, weight_decay } = optimizer;
  const options = { beta1: betas[0], beta2: betas[1], epsilon: eps, weightDecay: weight_decay };
  let trajectory_loss = 0;
  for (const step of steps) {
    const { loss, gradient } = await evaluate(session, parameters, step);
    trajectory_loss = worse(trajectory_loss, Math.abs(loss - step.loss));
    adamWStep(parameters, gradient, state, lr, options);
  }
  if (!end) return { trajectory_loss };
  return { trajectory_loss, final_adapter: largest(parametersOf(session.layout, end), (x, i) => x - parameters[i]!) };
}

async function evaluate(
  session: TrainingSession,
  parameters: Float32Array,
  given: GoldenBatch & { labels: number[] },
): Promise<MicroResult> {
  const labels = labelsOf(session.layout);
  const examples = rowsOf(given).map((ids, i) => ({ ids, target: oneHot(given.labels[i]!, labels) }));
  const results: MicroResult[] = [];
  for (const micro of microBatches(examples)) results.push(await session.run(parameters, micro, 0));
  return summed(results);
}

const labelsOf = ({ tensors }: ParameterLayout): number => tensors.at(-1)!.length;

/** The name PEFT gives the parameter while it trains. */
function peftName(name: string): string {
  const prefix = 'base_model.model.';
  if (name === HEAD_WEIGHT || name === HEAD_BIAS)
    return `${prefix}${CLASSIFIER}.modules_to_save.default.${name.split('.').at(-1)}`;
  return `${prefix}${name}.default.weight`;
}

const largest = (values: ArrayLike<number>, of: (x: number, i: number) => number): number =>
  Array.from(values, of).reduce((most, x) => worse(most, Math.abs(x)), 0);

/** The larger of the two; NaN is worse than any number. */
const worse = (a: number, b: number): number => (a >= b ? a : b);
