import t from 'tap';
import { microBatches, oneHot, summed } from '../../src/training/micro-batch.js';

const example = (length: number, label = 0) => ({ ids: new Int32Array(length).fill(1), target: oneHot(label, 3) });
const examples = (...lengths: number[]) => lengths.map((length) => example(length));

t.test('every row is in one micro-batch, rows of like length together', async (t) => {
  const micros = microBatches(examples(10, 60, 20, 50, 30, 40, 64, 5, 7));
  t.strictSame(
    micros.map(({ places }) => places),
    [[6, 1, 3, 5], [4, 2, 0, 8], [7]],
  );
  t.strictSame(
    micros[0]!.rows.map(({ length }) => length),
    [64, 60, 50, 40],
  );
});

t.test('long rows come in small micro-batches, the longest alone', async (t) => {
  t.strictSame(
    microBatches(examples(128, 512, 128, 257, 128)).map(({ places }) => places),
    [[1], [3], [0, 2], [4]],
  );
});

t.test('a batch cut in pieces has the mean of the whole', async (t) => {
  const micros = microBatches([example(3, 0), example(3, 1), example(3, 2), example(3, 1), example(3, 2)]);
  t.strictSame(
    micros.flatMap(({ targets }) => targets),
    [
      [0.2, 0, 0],
      [0, 0.2, 0],
      [0, 0, 0.2],
      [0, 0.2, 0],
      [0, 0, 0.2],
    ],
  );
});

t.test('results are added up, more exactly than float32 would', async (t) => {
  const parts = [2 ** 24, 1, 1].map((n) => ({ loss: n, gradient: Float32Array.of(n, -n) }));
  t.strictSame(summed(parts), { loss: 2 ** 24 + 2, gradient: Float32Array.of(2 ** 24 + 2, -(2 ** 24) - 2) });
});
