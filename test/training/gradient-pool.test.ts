import path from 'node:path';
import t from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { packageRoot } from '../../src/package.js';
import { TRAINING_PRECISIONS } from '../../src/recipe.js';
import { openGradientPool } from '../../src/training/gradient-pool.js';
import { oneHot } from '../../src/training/micro-batch.js';
import { lorasOf, parameterLayout } from '../../src/training/parameters.js';
import { floats, generator, tokens } from '../support/random.js';

const checkpoint = await openCheckpoint(path.join(packageRoot, 'test', 'golden', 'short-buckets', 'checkpoint'));
const { config } = checkpoint;
const plan = {
  rank: 8,
  scale: 2,
  modules: lorasOf(config, ['attention.self.query_proj', 'attention.self.value_proj']),
};
const options = { checkpoint, plan, dropout: 0.1, seed: 42, threads: 1 };
const random = generator(3);
const parameters = floats(random, parameterLayout(config, plan).length, 0.2);
const lengths = Array.from({ length: 9 }, (_, i) => 3 + ((7 * i) % 50));
const batch = tokens(random, config.vocabSize, lengths).map((ids, i) => ({ ids, target: oneHot(i % 3, 3) }));

for (const precision of TRAINING_PRECISIONS) {
  t.test(`${precision}: one child, two or more than there is work for: the same bytes`, async (t) => {
    const answers = [];
    for (const children of [1, 2, 4]) {
      const pool = await openGradientPool({ ...options, precision }, children);
      answers.push(await pool.gradient(parameters, batch, 5));
      await pool.close();
    }
    t.strictSame(answers[1], answers[0]);
    t.strictSame(answers[2], answers[0]);
    t.ok(answers[0]!.loss > 0 && answers[0]!.gradient.some((x) => x !== 0));
  });
}

t.test('a child that is killed takes the gradient with it, and every later one', async (t) => {
  const pool = await openGradientPool(options, 2);
  const underWay = pool.gradient(parameters, batch, 0);
  process.kill(pool.pids[1]!, 'SIGKILL');
  await t.rejects(underWay, { name: 'GradientFailure', message: /SIGKILL/ });
  await t.rejects(pool.gradient(parameters, batch, 0), { name: 'GradientFailure', message: /SIGKILL/ });
  await pool.close();
});

t.test('a child is asked again before it has answered: both answers come, each to its question', async (t) => {
  const pool = await openGradientPool(options, 1);
  const [first, second] = await Promise.all([0, 1].map((step) => pool.gradient(parameters, batch, step)));
  t.strictSame([first, second], [await pool.gradient(parameters, batch, 0), await pool.gradient(parameters, batch, 1)]);
  t.not(first!.loss, second!.loss, 'the dropout differs');
  await pool.close();
});

t.test('a checkpoint that cannot be opened is told, and no child is left', async (t) => {
  const missing = { ...checkpoint, weightsFile: 'missing.safetensors' };
  await t.rejects(openGradientPool({ ...options, checkpoint: missing }, 2), {
    name: 'GradientFailure',
    message: /missing\.safetensors/,
  });
});

t.test('children that cannot be started are told, and nothing waits for their end', async (t) => {
  const { execPath } = process;
  process.execPath = '/nowhere/node';
  const opened = openGradientPool(options, 2);
  process.execPath = execPath;
  await t.rejects(opened, { name: 'GradientFailure', message: /ENOENT/ });
});

t.test('closing ends the children and what is under way', async (t) => {
  const pool = await openGradientPool(options, 2);
  const underWay = pool.gradient(parameters, batch, 0);
  await Promise.all([t.rejects(underWay, { name: 'GradientFailure' }), pool.close()]);
  for (const pid of pool.pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});
