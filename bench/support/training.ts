/** Training steps as a run makes them, without the run: gradient children, clipping, AdamW; LoRA of rank 8 on query and value. */
import type { Checkpoint, DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { trainingGraph } from '../../src/graph/training.js';
import type { TrainingPrecision } from '../../src/recipe.js';
import { openGradientPool } from '../../src/training/gradient-pool.js';
import { type Example, oneHot } from '../../src/training/micro-batch.js';
import { adamWState, adamWStep, clipNorm } from '../../src/training/optimizer.js';
import { initialParameters, lorasOf, parameterLayout } from '../../src/training/parameters.js';
import { productOperations } from './operations.js';
import { idsOf } from './pairs.js';

const LINEARS = ['attention.self.query_proj', 'attention.self.value_proj'] as const;
const LENGTH_DECILES = [22, 51, 58, 65, 72, 80, 87, 97, 109, 130, 250];
export const SEED = 42;
const RATE = 2e-4;
const CLIP = 1;

export interface Processes {
  readonly children: number;
  readonly threads: number;
  /** float32 by default. */
  readonly precision?: TrainingPrecision;
  /** Adapters in the upper half of the layers alone. */
  readonly upperHalf?: boolean;
}

export interface Steps {
  /** One optimizer step: gradient, clipping, AdamW. */
  step(batch: readonly Example[]): Promise<void>;
  readonly pids: readonly number[];
  close(): Promise<void>;
}

export async function openSteps(
  checkpoint: Checkpoint,
  { children, threads, precision = 'float32', upperHalf = false }: Processes,
): Promise<Steps> {
  const { config } = checkpoint;
  const plan = planOf(config, upperHalf ? half(config) : undefined);
  const pool = await openGradientPool({ checkpoint, plan, dropout: 0.1, seed: SEED, threads, precision }, children);
  const labels = config.id2label.length;
  const head = { weight: new Float32Array(labels * config.hiddenSize), bias: new Float32Array(labels) };
  const parameters = initialParameters(parameterLayout(config, plan), head, SEED);
  const state = adamWState(parameters.length);
  return {
    step: async (batch) => {
      const { gradient } = await pool.gradient(parameters, batch, state.step);
      clipNorm(gradient, CLIP);
      adamWStep(parameters, gradient, state, RATE);
    },
    pids: pool.pids,
    close: () => pool.close(),
  };
}

/** Floating-point operations of the matrix products of a step of B rows of L tokens in float32. */
export function stepOperations(checkpoint: Checkpoint, bindings: { readonly B: number; readonly L: number }): number {
  const adapter = { targets: 'query-value', rank: 8, bank: false } as const;
  const { modules } = planOf(checkpoint.config);
  return productOperations(trainingGraph(checkpoint, { adapter, modules, dropout: true }).outputs, bindings);
}

const planOf = (config: DebertaConfig, layers?: readonly number[]) => ({
  rank: 8,
  scale: 2,
  modules: lorasOf(config, LINEARS, layers),
});

function half({ layers }: DebertaConfig): number[] {
  const count = Math.floor(layers / 2);
  return Array.from({ length: count }, (_, i) => layers - count + i);
}

export const trainingExamples = (
  lengths: readonly number[],
  { vocabSize, id2label }: Pick<DebertaConfig, 'vocabSize' | 'id2label'>,
): Example[] =>
  lengths.map((tokens, i) => ({ ids: idsOf(tokens, vocabSize), target: oneHot(i % id2label.length, id2label.length) }));

/** As many lengths as corrections, distributed as pairs of Evidence Inference are (the deciles of 1,684 of them). */
export const realisticLengths = (corrections: number): number[] =>
  Array.from({ length: corrections }, (_, i) => lengthOf((i + 0.5) / corrections));

function lengthOf(quantile: number): number {
  const place = quantile * (LENGTH_DECILES.length - 1);
  const [below, above] = [LENGTH_DECILES[Math.floor(place)]!, LENGTH_DECILES[Math.ceil(place)]!];
  return Math.round(below + (place % 1) * (above - below));
}
