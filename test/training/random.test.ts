import t from 'tap';
import { bits, keyOf, permutation, uniform } from '../../src/training/random.js';

t.test('numbers of one stream are uniform and uncorrelated', async (t) => {
  const n = 100_000;
  const key = keyOf(42, 7);
  const drawn = Array.from({ length: n }, (_, i) => uniform(key, i));
  const mean = drawn.reduce((a, b) => a + b, 0) / n;
  const neighbours = drawn.reduce((sum, x, i) => sum + (x - 0.5) * ((drawn[i + 1] ?? 0.5) - 0.5), 0) / n;
  t.ok(Math.abs(mean - 0.5) < 0.005, `mean ${mean}`);
  t.ok(Math.abs(neighbours) < 0.002, `covariance of neighbours ${neighbours}`);
  for (let bit = 0; bit < 32; bit++) {
    const set = Array.from({ length: n }, (_, i) => (bits(key, i) >>> bit) & 1).reduce((a, b) => a + b, 0);
    t.ok(Math.abs(set / n - 0.5) < 0.01, `bit ${bit} is set in ${set} of ${n}`);
  }
});

t.test('streams of neighbouring tuples have nothing in common', async (t) => {
  const streams = [keyOf(1, 2), keyOf(2, 1), keyOf(1, 3), keyOf(1), keyOf(1, 2, 0)];
  const starts = streams.map((key) => Array.from({ length: 64 }, (_, i) => bits(key, i)));
  t.equal(new Set(starts.flat()).size, streams.length * 64);
});

t.test('both halves of a key depend on every number of the tuple', async (t) => {
  for (const tuple of [(i: number) => [i, 7, 7], (i: number) => [7, i, 7], (i: number) => [7, 7, i]]) {
    const keys = Array.from({ length: 1000 }, (_, i) => keyOf(...tuple(i)));
    t.equal(new Set(keys.map(({ low }) => low)).size, 1000);
    t.equal(new Set(keys.map(({ high }) => high)).size, 1000);
  }
});

t.test('a permutation holds each number once, and every place gets every number', async (t) => {
  const seen = Array.from({ length: 5 }, () => new Set<number>());
  for (let seed = 0; seed < 200; seed++) {
    const order = permutation(keyOf(seed), 5);
    t.strictSame(
      [...order].toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4],
    );
    order.forEach((n, place) => seen[place]!.add(n));
  }
  t.ok(seen.every(({ size }) => size === 5));
  t.strictSame(permutation(keyOf(3), 100), permutation(keyOf(3), 100));
});
