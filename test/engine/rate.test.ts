import t from 'tap';
import { Rate } from '../../src/engine/rate.js';

const after = (...batches: readonly (readonly [tokens: number, ms: number])[]): number => {
  const rate = new Rate(1000);
  for (const [tokens, ms] of batches) rate.add(tokens, ms);
  return rate.tokensPerSecond;
};

const many = (count: number, tokens: number, ms: number) =>
  Array.from({ length: count }, (): [number, number] => [tokens, ms]);

t.test('the rate is what was measured first, until there is work', async (t) => {
  t.equal(after(), 1000);
  t.ok(Math.abs(after([100, 100]) - 1000) < 1e-6);
});

t.test('the rate follows the work of the last seconds', async (t) => {
  const within = (rate: number, low: number, high: number): void => void t.ok(rate >= low && rate <= high, `${rate}`);
  within(after([20, 10]), 1001, 1020);
  within(after(...many(100, 200, 100)), 1950, 2000);
  within(after(...many(200, 200, 100), ...many(50, 50, 100)), 900, 1200);
  within(after(...many(200, 200, 100), ...many(300, 50, 100)), 500, 510);
});

t.test('a long stall counts for as long as it took, and is forgotten', async (t) => {
  const stalled: [number, number] = [100, 10_000];
  t.ok(after(stalled) < 50);
  t.ok(after(stalled, ...many(300, 100, 100)) > 950);
});
