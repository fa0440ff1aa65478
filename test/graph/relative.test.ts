import t from 'tap';
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { input } from '../../src/graph/build.js';
import { mul } from '../../src/graph/dims.js';
import { logBucket, relativeRow, relativeRows, skew } from '../../src/graph/relative.js';
import { build, at, elements } from '../support/array.js';
import { logBuckets } from '../support/reference.js';
import { floats, generator } from '../support/random.js';
import { runGraph } from '../support/run-graph.js';

// buckets, max_position: those of v3 (xsmall … large), the bundled model, the golden folders, and odd ones
const BUCKETS = [
  [256, 512],
  [64, 512],
  [8, 64],
  [9, 64],
  [2, 16],
  [3, 16],
  [32, 1024],
] as const;

const config = (positionBuckets: number, maxRelativePositions: number): DebertaConfig =>
  ({ positionBuckets, maxRelativePositions, relativeSpan: positionBuckets || maxRelativePositions }) as DebertaConfig;

t.test('distances fall into the buckets of the reference’s formula', async (t) => {
  for (const [buckets, most] of BUCKETS) {
    const distances = Array.from({ length: 4 * most }, (_, i) => i - 2 * most);
    t.strictSame(
      distances.map((d) => logBucket(d, buckets, most) + 0),
      logBuckets(distances, buckets, most),
      `${buckets} of ${most}`,
    );
  }
});

t.test('a row lies in the table, and falls with the distance', async (t) => {
  for (const [buckets, most] of [...BUCKETS, [0, 24] as const]) {
    const c = config(buckets, most);
    const rows = Array.from({ length: 6 * most }, (_, i) => relativeRow(c, i - 3 * most));
    t.ok(Math.min(...rows) >= 0);
    t.ok(Math.max(...rows) < 2 * c.relativeSpan);
    t.ok(
      rows.every((row, i) => i === 0 || row >= rows[i - 1]!),
      `${buckets} of ${most} rises`,
    );
    t.equal(relativeRow(c, 0), c.relativeSpan);
  }
});

t.test('without buckets a distance is its own, clamped', async (t) => {
  const c = config(0, 4);
  t.strictSame(
    [-9, -5, -4, -1, 0, 3, 4, 9].map((d) => relativeRow(c, d)),
    [0, 0, 0, 3, 4, 7, 7, 7],
  );
});

t.test('rows for L tokens run through 2L distances either way', async (t) => {
  const c = config(0, 100);
  t.strictSame([...relativeRows(c, 3, 'falling')], [102, 101, 100, 99, 98, 97]);
  t.strictSame([...relativeRows(c, 3, 'rising')], [98, 99, 100, 101, 102, 103]);
  t.strictSame([...relativeRows(c, 1, 'falling')], [100, 99]);
});

t.test('skewing moves column j - i + L - 1 of row i to column j', async (t) => {
  const random = generator(3);
  const y = skew(input('x', 'float32', ['B', 2, 'L', mul(2, 'L')]), 'B', 2, 'L');
  for (const [B, L] of [
    [1, 1],
    [2, 1],
    [1, 2],
    [3, 5],
    [2, 8],
  ] as const) {
    const dims = [B, 2, L, 2 * L];
    const x = { dtype: 'float32' as const, dims, data: [...floats(random, elements(dims))] };
    const { y: got } = await runGraph({ y }, { x }, { B, L });
    t.strictSame(
      got,
      build([B, 2, L, L], ([b, h, i, j]) => at(x, [b!, h!, i!, j! - i! + L - 1])),
      `${B} × ${L}`,
    );
  }
});
