import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { GOLDEN_LIMITS, golden, withinLimits } from '../src/golden.js';
import { GOLDEN, altered, goldenFolder, readFiles, writeFiles } from './support/checkpoints.js';

for (const name of GOLDEN) {
  t.test(`${name}: the logits of base and adapter are those of transformers and PEFT`, async (t) => {
    const report = await golden(goldenFolder(name));
    t.ok('logits' in report && 'adapter_logits' in report, 'both are compared');
    t.ok(withinLimits(report), JSON.stringify(report));
    t.ok(report.logits < 2e-5 && (report.adapter_logits ?? 1) < 2e-5, 'well within');
  });
}

/** A copy of the folder that a test may spoil. */
function copyOf(t: Test, name: (typeof GOLDEN)[number]): string {
  const folder = t.testdir();
  cpSync(goldenFolder(name), folder, { recursive: true });
  return folder;
}

const LAYER = 'deberta.encoder.layer.0';
const ALTERED = [
  'deberta.embeddings.word_embeddings.weight',
  'deberta.encoder.rel_embeddings.weight',
  'deberta.encoder.LayerNorm.weight',
  `${LAYER}.attention.self.query_proj.weight`,
  `${LAYER}.attention.self.key_proj.weight`,
  `${LAYER}.attention.self.value_proj.bias`,
  `${LAYER}.attention.output.dense.weight`,
  `${LAYER}.attention.output.LayerNorm.bias`,
  `${LAYER}.intermediate.dense.weight`,
  `${LAYER}.output.dense.weight`,
  'pooler.dense.weight',
  'classifier.weight',
];

t.test('the check fails when any one weight is altered by one percent', async (t) => {
  const folder = copyOf(t, 'short-buckets');
  const checkpoint = path.join(folder, 'checkpoint');
  const { config, tensors } = readFiles(checkpoint);
  for (const name of ALTERED) {
    // every other element, since a norm undoes a common factor
    const spoilt = altered(tensors, name, (x, i) => (i % 2 ? x * 1.01 : x));
    await writeFiles(checkpoint, { config, tensors: spoilt });
    const report = await golden(folder);
    t.notOk(withinLimits(report), `${name}: ${JSON.stringify(report)}`);
  }
});

t.test('the check fails when the adapter’s alpha is altered by one percent', async (t) => {
  const folder = copyOf(t, 'short-buckets');
  const file = path.join(folder, 'adapter', 'adapter_config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, lora_alpha: 8.08 }));
  const report = await golden(folder);
  t.ok(report.logits <= GOLDEN_LIMITS.logits);
  t.notOk(withinLimits(report));
});

t.test('the check fails when logits are not numbers or not as many', async (t) => {
  const folder = copyOf(t, 'short-buckets');
  const { config, tensors } = readFiles(path.join(folder, 'checkpoint'));
  await writeFiles(path.join(folder, 'checkpoint'), {
    config,
    tensors: altered(tensors, 'classifier.bias', () => Number.NaN),
  });
  t.notOk(withinLimits(await golden(folder)));
  const fewer = new Map([
    ...tensors,
    ['classifier.weight', { shape: [2, 32], data: new Float32Array(64) }],
    ['classifier.bias', { shape: [2], data: new Float32Array(2) }],
  ]);
  await writeFiles(path.join(folder, 'checkpoint'), {
    config: { ...config, id2label: { 0: 'a', 1: 'b' } },
    tensors: fewer,
  });
  const bare = JSON.parse(readFileSync(path.join(folder, 'reference.json'), 'utf8')) as {
    cases: Record<string, unknown>[];
  };
  for (const one of bare.cases) delete one['adapter_logits'];
  writeFileSync(path.join(folder, 'reference.json'), JSON.stringify({ cases: bare.cases }));
  t.notOk(withinLimits(await golden(folder)));
});

t.test('a folder without adapter logits is checked for the base alone', async (t) => {
  const folder = copyOf(t, 'short-buckets');
  const file = path.join(folder, 'reference.json');
  const reference = JSON.parse(readFileSync(file, 'utf8')) as { cases: Record<string, unknown>[] };
  for (const one of reference.cases) delete one['adapter_logits'];
  writeFileSync(file, JSON.stringify({ cases: reference.cases }));
  const report = await golden(folder);
  t.strictSame(Object.keys(report), ['logits']);
  t.ok(withinLimits(report));
});

t.test('a folder without cases proves nothing and is refused', async (t) => {
  const folder = copyOf(t, 'short-buckets');
  writeFileSync(path.join(folder, 'reference.json'), '{"cases":[]}');
  await t.rejects(golden(folder), { message: /reference\.json has no cases/ });
});

t.test('a folder that tells an adapter’s answers and lacks the adapter is refused', async (t) => {
  const folder = copyOf(t, 'short-buckets');
  rmSync(path.join(folder, 'adapter'), { recursive: true });
  await t.rejects(golden(folder), { message: /adapter is missing/ });
});
