import t from 'tap';
import {
  type LoopHooks,
  type LoopParameters,
  type Position,
  startOf,
  type StepReport,
  train,
} from '../../src/training/loop.js';
import type { Example } from '../../src/training/micro-batch.js';

const examples: Example[] = Array.from({ length: 20 }, (_, i) => ({
  ids: new Int32Array(4 + (i % 5)).fill(i),
  target: [1, 0],
}));
const recipe: LoopParameters = {
  learning_rate: 0.1,
  epochs: 3,
  batch_size: 8,
  warmup_ratio: 0.1,
  weight_decay: 0,
  max_grad_norm: 1,
  seed: 7,
};

/** The gradient of half the squared distance from (3, -2), with something of the batch in it. */
const slope: LoopHooks['gradient'] = async (parameters, batch, step) => {
  const shift = batch.reduce((sum, { ids }) => sum + ids[0]!, 0) / 1000 + step / 100;
  const gradient = Float32Array.of(parameters[0]! - 3 + shift, parameters[1]! + 2);
  return { loss: (gradient[0]! ** 2 + gradient[1]! ** 2) / 2, gradient };
};

async function run(from: Position, hooks: Partial<LoopHooks> = {}, given = recipe) {
  const steps: StepReport[] = [];
  const states: Position[] = [];
  const parameters = await train(examples, given, from, {
    gradient: slope,
    onStep: (report) => steps.push(report),
    onEpoch: async (position) => void states.push(structuredClone(position)),
    ...hooks,
  });
  return { parameters, steps, states };
}

t.test('steps go over all epochs under a rate that rises and falls', async (t) => {
  const { steps, states } = await run(startOf(new Float32Array(2)));
  t.strictSame(
    steps.map(({ epoch, step, rows }) => [epoch, step, rows]).map(String),
    steps.map((report, i) => String([1 + Math.floor(i / 3), i + 1, report.rows])),
  );
  t.equal(
    steps.reduce((sum, { rows }) => sum + rows, 0),
    60,
  );
  t.strictSame(
    steps.map(({ learning_rate }) => Number((learning_rate * 80).toFixed(9))),
    [0, 8, 7, 6, 5, 4, 3, 2, 1],
  );
  t.strictSame(
    states.map(({ epoch, optimizer }) => [epoch, optimizer.step]),
    [
      [1, 3],
      [2, 6],
      [3, 9],
    ],
  );
});

t.test('from each state it goes on to the same parameters', async (t) => {
  const { parameters, states } = await run(startOf(new Float32Array(2)));
  t.ok(parameters.some((value) => value !== 0));
  for (const state of states) {
    const again = await run(structuredClone(state));
    t.strictSame([...again.parameters], [...parameters], `epoch ${state.epoch}`);
    t.equal(again.steps.length, 3 * (3 - state.epoch));
  }
});

t.test('what is not finite ends the run at that step', async (t) => {
  const bad = (loss: number, slopes: number[]) => ({
    gradient: async () => ({ loss, gradient: Float32Array.from(slopes) }),
  });
  const table: [hooks: Partial<LoopHooks>, message: RegExp][] = [
    [bad(Number.NaN, [0, 0]), /^the loss is not finite at step 1 of 9 /],
    [bad(Number.POSITIVE_INFINITY, [0, 0]), /^the loss is not finite/],
    [bad(1, [0, Number.NaN]), /^the gradient is not finite/],
    [bad(1, [Number.NEGATIVE_INFINITY, 0]), /^the gradient is not finite/],
  ];
  for (const [hooks, message] of table)
    for (const max_grad_norm of [0, 1])
      await t.rejects(run(startOf(new Float32Array(2)), hooks, { ...recipe, max_grad_norm }), {
        name: 'TrainingFailure',
        message,
      });
});

t.test('a long gradient is clipped, unless the limit is 0', async (t) => {
  const far = startOf(Float32Array.of(1000, 1000));
  const seen: number[] = [];
  const gradient: LoopHooks['gradient'] = async (...given) => {
    const result = await slope(...given);
    queueMicrotask(() => setImmediate(() => seen.push(Math.hypot(...result.gradient))));
    return result;
  };
  await run(far, { gradient }, { ...recipe, epochs: 1 });
  await new Promise(setImmediate);
  t.ok(seen.length > 0 && seen.every((norm) => norm <= 1.0001), String(seen));
  const free: number[] = [];
  await run(
    startOf(Float32Array.of(1000, 1000)),
    {
      gradient: async (...given) => {
        const result = await slope(...given);
        queueMicrotask(() => setImmediate(() => free.push(Math.hypot(...result.gradient))));
        return result;
      },
    },
    { ...recipe, epochs: 1, max_grad_norm: 0 },
  );
  await new Promise(setImmediate);
  t.ok(free.every((norm) => norm > 1000));
});
