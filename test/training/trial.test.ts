/** Integers in training: used where they keep the gradient's direction, and float32 elsewhere. */
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { TrainingPrecision } from '../../src/recipe.js';
import { openGradientPool } from '../../src/training/gradient-pool.js';
import { oneHot } from '../../src/training/micro-batch.js';
import { lorasOf, parameterLayout } from '../../src/training/parameters.js';
import { cosineOf, openTriedPool } from '../../src/training/trial.js';
import { altered, goldenFolder, readFiles, writeFiles } from '../support/checkpoints.js';
import { floats, generator, tokens } from '../support/random.js';

const random = generator(9);
const golden = goldenFolder('xsmall-shaped', 'checkpoint');

function optionsOf(checkpoint: Checkpoint, precision: TrainingPrecision) {
  const modules = lorasOf(checkpoint.config, ['attention.self.query_proj', 'attention.self.value_proj']);
  return { checkpoint, plan: { rank: 8, scale: 2, modules }, dropout: 0.1, seed: 4, threads: 1, precision };
}

/** The pool's answer at the place it was tried, and that of float32. */
async function tried(checkpoint: Checkpoint, precision: TrainingPrecision) {
  const options = optionsOf(checkpoint, precision);
  const parameters = floats(random, parameterLayout(checkpoint.config, options.plan).length, 0.1);
  const batch = tokens(random, checkpoint.config.vocabSize, [12, 9, 7, 7]).map((ids, i) => ({
    ids,
    target: oneHot(i % 3, 3),
  }));
  const { pool, fallback } = await openTriedPool(options, 2, parameters, batch);
  const { gradient } = await pool.gradient(parameters, batch, 1);
  await pool.close();
  const float32 = await openGradientPool({ ...options, precision: 'float32' }, 1);
  const exact = await float32.gradient(parameters, batch, 1);
  await float32.close();
  return { fallback, gradient, exact: exact.gradient, children: pool.pids.length };
}

for (const precision of ['int8_backward', 'int8_forward', 'int8'] as const) {
  t.test(`${precision}: a checkpoint that bears it is trained in it`, async (t) => {
    const { fallback, gradient, exact, children } = await tried(await openCheckpoint(golden), precision);
    t.equal(fallback, null);
    t.equal(children, 2);
    t.ok(cosineOf(gradient, exact) > 0.95 && cosineOf(gradient, exact) < 1);
  });

  t.test(`${precision}: a checkpoint whose outliers it cannot hold is trained in float32, and says why`, async (t) => {
    const { fallback, gradient, exact } = await tried(await withOutliers(t), precision);
    t.match(fallback, new RegExp(`^${precision} turns the gradient \\(cosine .*, 0.95 is needed\\): float32 is used$`));
    t.same(gradient, exact);
  });
}

/**
 * Huge weights that float32 does not notice: on the way from a hidden channel that every norm makes 0, and on the way to
 * a value and to an inner state of the feed-forward that nothing reads. The codes of what shares their rows and columns
 * become 0, so that neither pass survives in integers.
 */
const OUTLIERS: readonly { of: RegExp; at: 'channel' | 'row' | 'column'; becomes: number }[] = [
  { of: /LayerNorm\.(weight|bias)$/, at: 'channel', becomes: 0 },
  { of: /(query|key|value)_proj\.weight$|intermediate\.dense\.weight$/, at: 'column', becomes: 10_000 },
  { of: /value_proj\.weight$|intermediate\.dense\.weight$/, at: 'row', becomes: 10_000 },
  { of: /output\.dense\.weight$/, at: 'column', becomes: 0 },
];
const OUTLIER = 7;

async function withOutliers(t: Test): Promise<Checkpoint> {
  const files = readFiles(golden);
  let { tensors } = files;
  for (const [name, { shape }] of files.tensors)
    for (const { of, at, becomes } of OUTLIERS) {
      const width = shape.at(-1)!;
      const placeOf = {
        channel: (i: number) => i,
        row: (i: number) => Math.floor(i / width),
        column: (i: number) => i % width,
      };
      if (of.test(name)) tensors = altered(tensors, name, (x, i) => (placeOf[at](i) === OUTLIER ? becomes : x));
    }
  return openCheckpoint(await writeFiles(path.join(t.testdir(), 'outliers'), { ...files, tensors }));
}

t.test('float32 is not tried', async (t) => {
  const { fallback, gradient, exact } = await tried(await openCheckpoint(golden), 'float32');
  t.equal(fallback, null);
  t.same(gradient, exact);
});

t.test('a precision that cannot be opened leaves no child', async (t) => {
  const checkpoint = { ...(await openCheckpoint(golden)), weightsFile: 'missing.safetensors' };
  await t.rejects(openTriedPool(optionsOf(checkpoint, 'int8'), 2, new Float32Array(1), []), {
    name: 'GradientFailure',
  });
});

t.test('the cosine of two vectors', async (t) => {
  const cosine = (a: number[], b: number[]): number => cosineOf(Float32Array.from(a), Float32Array.from(b));
  t.equal(cosine([3, 4], [6, 8]), 1);
  t.equal(cosine([1, 0], [0, 2]), 0);
  t.equal(cosine([0, 0], [0, 0]), 1, 'two zeros agree');
  t.equal(cosine([0, 0], [1, 0]), 0, 'a zero and another do not');
  t.equal(cosine([Number.NaN, 1], [1, 1]), 0, 'nor does what is not finite');
});
