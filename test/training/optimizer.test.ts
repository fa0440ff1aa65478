/** Expected values are the formulas' of torch.optim.AdamW, clip_grad_norm_ and transformers' linear schedule, by hand. */
import t from 'tap';
import { adamWState, adamWStep, clipNorm, linearSchedule, rateFactor } from '../../src/training/optimizer.js';

const close = (a: number, b: number): boolean => Math.abs(a - b) < 1e-6;

t.test('the first AdamW step moves each parameter by the rate against its sign, after the decay', async (t) => {
  const parameters = Float32Array.of(1, -2, 3);
  adamWStep(parameters, [0.5, -4, 0], adamWState(3), 0.1, {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.01,
  });
  t.ok(close(parameters[0]!, 1 * 0.999 - 0.1));
  t.ok(close(parameters[1]!, -2 * 0.999 + 0.1));
  t.ok(close(parameters[2]!, 3 * 0.999), 'without a gradient there is the decay alone');
});

t.test('the second step uses both averages, each with its correction', async (t) => {
  const parameters = Float32Array.of(0);
  const state = adamWState(1);
  const options = { beta1: 0.9, beta2: 0.99, epsilon: 0.1, weightDecay: 0 };
  adamWStep(parameters, [1], state, 0, options);
  adamWStep(parameters, [3], state, 1, options);
  const first = (0.9 * 0.1 + 0.1 * 3) / (1 - 0.81);
  const second = (0.99 * 0.01 + 0.01 * 9) / (1 - 0.9801);
  t.ok(close(parameters[0]!, -first / (Math.sqrt(second) + 0.1)));
  t.equal(state.step, 2);
});

t.test('a gradient is clipped to its limit and never stretched', async (t) => {
  const long = Float32Array.of(3, 4);
  t.equal(clipNorm(long, 1), 5);
  t.ok(close(long[0]!, 3 / 5.000001) && close(long[1]!, 4 / 5.000001));
  const short = Float32Array.of(0.3, 0.4);
  t.ok(close(clipNorm(short, 1), 0.5));
  t.strictSame(short, Float32Array.of(0.3, 0.4));
});

t.test('a gradient that is no number has a norm that is none', async (t) => {
  t.ok(Number.isNaN(clipNorm(Float32Array.of(1, Number.NaN), 1)));
});

const SCHEDULES = [
  { steps: 10, ratio: 0.2, factors: [0, 0.5, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0] },
  { steps: 4, ratio: 0, factors: [1, 0.75, 0.5, 0.25, 0, 0] },
  { steps: 15, ratio: 0.1, factors: [0, 0.5, 1] },
  { steps: 1, ratio: 1, factors: [0, 0] },
];

for (const { steps, ratio, factors } of SCHEDULES) {
  t.test(`${steps} steps with a warm-up of ${ratio}`, async (t) => {
    const schedule = linearSchedule(steps, ratio);
    factors.forEach((factor, step) => t.ok(close(rateFactor(schedule, step), factor), `step ${step}`));
  });
}
