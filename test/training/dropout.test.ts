import path from 'node:path';
import t from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { mul, shape } from '../../src/graph/dims.js';
import { relativeRows } from '../../src/graph/relative.js';
import type { DropoutMask } from '../../src/graph/training.js';
import { packageRoot } from '../../src/package.js';
import { type DropoutDraw, dropoutFeeds } from '../../src/training/dropout.js';

const { config } = await openCheckpoint(path.join(packageRoot, 'test', 'golden', 'short-buckets', 'checkpoint'));
const WIDTH = 384;
const tokens: DropoutMask = { name: 'tokens', id: 3, rows: 'tokens', shape: shape(mul('L', 'B'), WIDTH) };
const other: DropoutMask = { ...tokens, name: 'other', id: 4 };
const rising: DropoutMask = { name: 'rising', id: 5, rows: 'rising', shape: shape(mul(2, 'L'), WIDTH) };

function draw(given: Partial<DropoutDraw>, L: number, p = 0.1): Record<string, Float32Array> {
  const places = given.places ?? [0];
  const feeds = dropoutFeeds(
    config,
    [tokens, other, rising],
    p,
  )({ seed: 1, step: 1, ...given, places }, { L, B: places.length });
  return Object.fromEntries(Object.entries(feeds).map(([name, { data }]) => [name, Float32Array.from(data)]));
}

const row = (mask: Float32Array, n: number): Float32Array => mask.slice(n * WIDTH, (n + 1) * WIDTH);
const share = (values: ArrayLike<number>, of: (x: number) => number): number =>
  Array.from(values, of).reduce((a, b) => a + b, 0) / values.length;

for (const p of [0.01, 0.1, 0.5, 0.9]) {
  t.test(`of p = ${p}, that share is dropped and the mean stays 1`, async (t) => {
    const mask = draw({ places: [0, 1, 2, 3] }, 200, p)['tokens']!; // 307,200 elements
    const dropped = share(mask, (x) => Number(x === 0));
    t.ok(Math.abs(dropped - p) < 5 * Math.sqrt((p * (1 - p)) / mask.length), `${dropped} are dropped`);
    t.ok(Math.abs(share(mask, (x) => x) - 1) < 0.02);
    t.equal(new Set(mask).size, 2);
    const columns = Array.from({ length: WIDTH }, (_, c) =>
      share(
        mask.filter((__, i) => i % WIDTH === c),
        (x) => Number(x === 0),
      ),
    );
    t.ok(
      Math.max(...columns.map((x) => Math.abs(x - p))) < 5 * Math.sqrt((p * (1 - p)) / 800),
      'the same in every column',
    );
  });
}

t.test('seed, step, mask, row and position decide, and nothing else', async (t) => {
  const { tokens: mask, other: second } = draw({ places: [4, 9] }, 3);
  t.strictSame(draw({ places: [4, 9] }, 3)['tokens'], mask, 'the same again');
  const differing = [
    draw({ seed: 2, places: [4, 9] }, 3),
    draw({ step: 2, places: [4, 9] }, 3),
    { tokens: second },
    draw({ places: [4, 8] }, 3),
  ];
  for (const { tokens: changed } of differing) t.notSame(changed, mask);
  t.equal(new Set(Array.from({ length: 6 }, (_, n) => row(mask!, n).join())).size, 6, 'each token has its own');
});

t.test('padding and the other rows of a micro-batch change nothing', async (t) => {
  const together = draw({ places: [4, 9] }, 5)['tokens']!;
  const alone = draw({ places: [9] }, 3)['tokens']!;
  for (let position = 0; position < 3; position++) t.strictSame(row(alone, position), row(together, 2 * position + 1));
});

t.test('distances that share an embedding share its dropout', async (t) => {
  const L = 40;
  const mask = draw({}, L)['rising']!;
  const fates = Array.from({ length: 2 * L }, (_, n) => row(mask, n).join());
  const embeddings = [...relativeRows(config, L, 'rising')];
  t.ok(new Set(embeddings).size < 2 * L, 'some do');
  for (let a = 0; a < 2 * L; a++)
    for (let b = 0; b < a; b++)
      if ((fates[a] === fates[b]) !== (embeddings[a] === embeddings[b])) t.fail(`${a} and ${b}`);
});
