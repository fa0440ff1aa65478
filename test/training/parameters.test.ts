import path from 'node:path';
import t from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { packageRoot } from '../../src/package.js';
import { adapterOf, initialParameters, lorasOf, parameterLayout, parametersOf } from '../../src/training/parameters.js';

const { config } = await openCheckpoint(path.join(packageRoot, 'test', 'golden', 'short-buckets', 'checkpoint'));
const D = config.hiddenSize;
const modules = lorasOf(config, ['attention.self.query_proj', 'attention.self.value_proj']);
const layout = parameterLayout(config, { rank: 4, scale: 2, modules });
const head = { weight: new Float32Array(3 * D).fill(0.25), bias: Float32Array.of(1, 2, 3) };

t.test('the vector holds A and B of every module, then the head, without holes', async (t) => {
  t.equal(layout.length, 2 * 2 * (4 * D + D * 4) + 3 * D + 3);
  t.strictSame(
    layout.tensors.map(({ offset }) => offset),
    layout.tensors.map((_, i) => layout.tensors.slice(0, i).reduce((sum, { length }) => sum + length, 0)),
  );
  t.equal(layout.tensors[0]!.name, 'deberta.encoder.layer.0.attention.self.query_proj.lora_A');
});

t.test('a run starts with A uniform within 1/√in, B zero and the head of the base', async (t) => {
  const adapter = adapterOf(layout, initialParameters(layout, head, 42));
  const a = [...adapter.modules.values()].flatMap((lora) => [...lora.a]);
  const bound = 1 / Math.sqrt(D);
  t.ok(a.every((x) => Math.abs(x) <= bound));
  t.ok(Math.max(...a) > 0.95 * bound && Math.min(...a) < -0.95 * bound, 'the whole range is used');
  t.ok(Math.abs(a.reduce((sum, x) => sum + x, 0) / a.length) < 0.1 * bound);
  t.ok([...adapter.modules.values()].every(({ b }) => b.every((x) => x === 0)));
  t.strictSame([...adapter.head.weight, ...adapter.head.bias], [...head.weight, ...head.bias]);
});

t.test('the seed decides the start', async (t) => {
  const start = initialParameters(layout, head, 42);
  t.strictSame(start, initialParameters(layout, head, 42));
  t.notSame(start, initialParameters(layout, head, 43));
});

t.test('an adapter becomes the vector it came from', async (t) => {
  const parameters = Float32Array.from({ length: layout.length }, (_, i) => i);
  t.strictSame(parametersOf(layout, adapterOf(layout, parameters)), parameters);
});

t.test('an adapter of another rank is refused by name', async (t) => {
  const other = parameterLayout(config, { rank: 8, scale: 2, modules });
  const adapter = adapterOf(other, new Float32Array(other.length));
  t.throws(() => parametersOf(layout, adapter), { name: 'TypeError', message: /layer\.0.*query_proj\.lora_A/ });
});

t.test('layers can be chosen', async (t) => {
  t.strictSame(lorasOf(config, ['attention.self.value_proj'], [1]), [
    { layer: 1, linear: 'attention.self.value_proj' },
  ]);
});
