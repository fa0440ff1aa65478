/** AdamW, gradient clipping and the learning-rate schedule, as torch and transformers compute them. */

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export const ADAMW_DEFAULTS: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** All that a resumed run needs beside the parameters. */
export interface AdamWState {
  /** Steps done. */
  step: number;
  /** Moving averages of the gradient and of its square. */
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export const adamWState = (length: number): AdamWState => ({
  step: 0,
  first: new Float32Array(length),
  second: new Float32Array(length),
});

/**
 * One step in place (Loshchilov and Hutter 2019; torch.optim.AdamW): θ ← θ·(1 - lr·λ), then
 * θ ← θ - lr/(1-β₁ᵗ) · m / (√v/√(1-β₂ᵗ) + ε).
 */
export function adamWStep(
  parameters: Float32Array,
  gradient: ArrayLike<number>,
  state: AdamWState,
  lr: number,
  options = ADAMW_DEFAULTS,
): void {
  const { beta1, beta2, epsilon, weightDecay } = options;
  const { first, second } = state;
  const t = ++state.step;
  const stepSize = lr / (1 - beta1 ** t);
  const rootCorrection = Math.sqrt(1 - beta2 ** t);
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i]!;
    first[i] = first[i]! + (1 - beta1) * (g - first[i]!);
    second[i] = beta2 * second[i]! + (1 - beta2) * g * g;
    const decayed = parameters[i]! * (1 - lr * weightDecay);
    parameters[i] = decayed - (stepSize * first[i]!) / (Math.sqrt(second[i]!) / rootCorrection + epsilon);
  }
}

/** Scales `gradient` down to a Euclidean norm of at most `limit`, as torch's clip_grad_norm_; the norm it had. */
export function clipNorm(gradient: Float32Array, limit: number): number {
  let squares = 0;
  for (let i = 0; i < gradient.length; i++) squares += gradient[i]! ** 2;
  const norm = Math.sqrt(squares);
  const factor = limit / (norm + 1e-6);
  if (factor < 1) for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! * factor;
  return norm;
}

export interface Schedule {
  readonly steps: number;
  readonly warmupSteps: number;
}

/** `warmupRatio` of all steps, rounded up as transformers does. */
export const linearSchedule = (steps: number, warmupRatio: number): Schedule => ({
  steps,
  warmupSteps: Math.ceil(steps * warmupRatio),
});

/** The factor of the peak rate for step 0, 1, … (get_linear_schedule_with_warmup): up from 0, then down to 0. */
export function rateFactor({ steps, warmupSteps }: Schedule, step: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  return Math.max(0, (steps - step) / Math.max(1, steps - warmupSteps));
}
