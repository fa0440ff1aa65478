/** The loop of a training run. It knows neither processes nor files: gradients come from, and states go to, its caller. */
import { type BatchPlan, batchesPerEpoch, epochBatches } from './batches.js';
import type { Example, MicroResult } from './micro-batch.js';
import {
  ADAMW_DEFAULTS,
  type AdamWState,
  adamWState,
  adamWStep,
  clipNorm,
  linearSchedule,
  rateFactor,
} from './optimizer.js';

export interface LoopParameters {
  readonly learning_rate: number;
  readonly epochs: number;
  readonly batch_size: number;
  readonly warmup_ratio: number;
  readonly weight_decay: number;
  /** 0: no clipping. */
  readonly max_grad_norm: number;
  readonly seed: number;
}

/** Where a run stands after whole epochs; all random numbers are functions of the seed and the position. */
export interface Position {
  /** Epochs done. */
  readonly epoch: number;
  readonly parameters: Float32Array;
  readonly optimizer: AdamWState;
}

export interface StepReport {
  /** From 1. */
  readonly epoch: number;
  /** From 1, over all epochs. */
  readonly step: number;
  readonly steps: number;
  readonly rows: number;
  readonly loss: number;
  readonly learning_rate: number;
}

export interface LoopHooks {
  /** Mean loss of the batch and that mean's gradient, which is changed afterwards. `step` counts from 0. */
  gradient(parameters: Float32Array, batch: readonly Example[], step: number): Promise<MicroResult>;
  onStep(report: StepReport): void;
  /** Awaited: the next epoch begins when the state is kept. */
  onEpoch(position: Position): Promise<void>;
}

/** Training cannot go on, and would fail again at the same place. */
export class TrainingFailure extends Error {
  override readonly name = 'TrainingFailure';
}

export const startOf = (parameters: Float32Array): Position => ({
  epoch: 0,
  parameters,
  optimizer: adamWState(parameters.length),
});

/**
 * Trains from `position`, which it changes in place, to the last epoch; resolves with the trained parameters.
 * Rejects with TrainingFailure when the loss or a gradient is not finite, and with what a hook throws.
 */
export async function train(
  examples: readonly Example[],
  recipe: LoopParameters,
  position: Position,
  hooks: LoopHooks,
): Promise<Float32Array> {
  const { parameters, optimizer } = position;
  const plan: BatchPlan = { seed: recipe.seed, batchSize: recipe.batch_size };
  const lengths = examples.map(({ ids }) => ids.length);
  const steps = recipe.epochs * batchesPerEpoch(examples.length, plan);
  const schedule = linearSchedule(steps, recipe.warmup_ratio);
  for (let epoch = position.epoch; epoch < recipe.epochs; epoch++) {
    for (const rows of epochBatches(lengths, plan, epoch)) {
      const { step } = optimizer;
      const batch = rows.map((row) => examples[row]!);
      const { loss, gradient } = await hooks.gradient(parameters, batch, step);
      const learning_rate = recipe.learning_rate * rateFactor(schedule, step);
      refuseInfinite(loss, gradient, recipe.max_grad_norm, { step, steps, learning_rate });
      adamWStep(parameters, gradient, optimizer, learning_rate, {
        ...ADAMW_DEFAULTS,
        weightDecay: recipe.weight_decay,
      });
      hooks.onStep({ epoch: epoch + 1, step: step + 1, steps, rows: rows.length, loss, learning_rate });
    }
    await hooks.onEpoch({ epoch: epoch + 1, parameters, optimizer });
  }
  if (!parameters.every(Number.isFinite))
    throw new TrainingFailure('the trained adapter has values that are not finite');
  return parameters;
}

/** Clips the gradient too. */
function refuseInfinite(
  loss: number,
  gradient: Float32Array,
  limit: number,
  at: { readonly step: number; readonly steps: number; readonly learning_rate: number },
): void {
  const norm = clipNorm(gradient, limit > 0 ? limit : Infinity);
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const what = Number.isFinite(loss) ? 'the gradient' : 'the loss';
  throw new TrainingFailure(
    `${what} is not finite at step ${at.step + 1} of ${at.steps} (learning rate ${at.learning_rate.toPrecision(3)}): ` +
      'a smaller learning_rate may help',
  );
}
