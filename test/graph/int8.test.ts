/** Linears in 8-bit integers: near the float32 ones, and a row's answer is its own whatever is beside it. */
import t from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { floats as constant, input, multiply } from '../../src/graph/build.js';
import { int8Linears } from '../../src/graph/linears.js';
import type { Value } from '../../src/graph/value.js';
import { int8Limit } from '../../src/runtime/int8.js';
import { randomAdapter } from '../support/adapters.js';
import { GOLDEN, TINY, goldenFolder, logitsOf } from '../support/checkpoints.js';
import { floats, generator, tokens } from '../support/random.js';
import { runGraph } from '../support/run-graph.js';

const random = generator(31);

t.test('a Linear is right to one step of the codes of its row', async (t) => {
  const [rows, inner, out] = [5, 40, 7];
  const x = floats(random, rows * inner, 3).map((v, i) => (i < inner ? 1000 * v : v));
  x.fill(0, inner, 2 * inner);
  const [w, b] = [floats(random, out * inner, 1), floats(random, out, 1)];
  const dims = { x: [rows, inner], w: [out, inner], b: [out] };
  const linear = int8Linears(
    (name) => (name === 'm.weight' ? input('w', 'float32', dims.w) : input('b', 'float32', dims.b)),
    127,
  );
  const feed = (of: keyof typeof dims, data: Float32Array) => ({
    dtype: 'float32' as const,
    dims: dims[of],
    data: [...data],
  });
  const { y } = await runGraph(
    { y: linear('m', input('x', 'float32', dims.x)) },
    { x: feed('x', x), w: feed('w', w), b: feed('b', b) },
  );
  for (let row = 0; row < rows; row++) {
    const largest = (of: Float32Array, at: number): number =>
      Math.max(...of.subarray(at * inner, (at + 1) * inner).map(Math.abs));
    for (let column = 0; column < out; column++) {
      let exact = b[column]!;
      for (let k = 0; k < inner; k++) exact += x[row * inner + k]! * w[column * inner + k]!;
      const bound = (inner * 1.01 * largest(x, row) * largest(w, column)) / 127;
      t.ok(Math.abs(y!.data[row * out + column]! - exact) <= bound + 1e-5, `row ${row}, column ${column}`);
    }
  }
  t.same(y!.data.slice(out, 2 * out), [...b], 'a row of zeros gives the bias exactly');
});

const CHECKPOINTS: [string, string][] = [
  ['the bundled model', TINY],
  ...GOLDEN.map((name): [string, string] => [name, goldenFolder(name, 'checkpoint')]),
];

for (const [name, folder] of CHECKPOINTS) {
  t.test(`${name}: the same bits alone, among others, and beside longer ones`, async (t) => {
    const checkpoint = await openCheckpoint(folder);
    const { config } = checkpoint;
    const adapter = randomAdapter(config, { linears: ['attention.self.query_proj', 'attention.self.value_proj'] });
    for (const length of [1, 9, 33]) {
      const [row, ...mates] = tokens(random, config.vocabSize, [length, length, length, length + 1, 2 * length, 60]);
      for (const adapters of [[], [adapter]]) {
        const logits = (rows: readonly Int32Array[]) => logitsOf(checkpoint, rows, adapters, { int8: 127 });
        const [alone] = await logits([row!]);
        for (let n = 1; n <= mates.length; n++) {
          const [first] = await logits([row!, ...mates.slice(0, n)]);
          const last = (await logits([...mates.slice(0, n), row!])).at(-1);
          t.same([first, last], [alone, alone], `${length} tokens, ${n} mates, ${adapters.length} adapters`);
        }
      }
    }
  });

  for (const int8 of [127, 63] as const) {
    t.test(`${name}: codes to ${int8} give nearly the float32 logits, and not the same`, async (t) => {
      const checkpoint = await openCheckpoint(folder);
      const rows = tokens(random, checkpoint.config.vocabSize, [5, 30, 64]);
      const [exact, coded] = [await logitsOf(checkpoint, rows), await logitsOf(checkpoint, rows, [], { int8 })];
      const off = Math.max(...exact.flat().map((x, i) => Math.abs(x - coded.flat()[i]!)));
      const largest = Math.max(...exact.flat().map(Math.abs));
      t.ok(off > 0 && off < 0.15 * largest, `${off} of ${largest}`);
    });
  }
}

t.test('integer products are exact on this processor, or known not to be', async (t) => {
  const exact = 2 * 64 * 127 * 127;
  const w: Value = constant(
    Array.from({ length: 64 }, () => 127),
    [1, 64],
  );
  const weights = (name: string): Value => (name === 'm.weight' ? w : constant([0], [1]));
  const { y } = await runGraph(
    {
      y: multiply(int8Linears(weights, await int8Limit())('m', input('x', 'float32', [1, 64])), constant([2], [1])),
    },
    { x: { dtype: 'float32', dims: [1, 64], data: Array.from({ length: 64 }, () => 127) } },
  );
  t.ok(Math.abs(y!.data[0]! / exact - 1) < 1e-5, `${y!.data[0]} of ${exact}`);
});
