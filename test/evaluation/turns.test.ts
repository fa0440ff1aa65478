import fc from 'fast-check';
import t from 'tap';
import { inTurns, mapped, sorted } from '../../src/evaluation/turns.js';

t.test('sorted as Array.sort sorts, equal ones in their order', async () => {
  const items = fc.array(fc.record({ key: fc.integer({ min: 0, max: 50 }), id: fc.nat() }), { maxLength: 5000 });
  await fc.assert(
    fc.asyncProperty(items, async (given) => {
      const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;
      const [ours, theirs] = [await sorted(given, compare, () => undefined), given.toSorted(compare)];
      return ours.length === theirs.length && ours.every((item, at) => item === theirs[at]);
    }),
    { numRuns: 30 },
  );
});

t.test('mapped in order', async (t) => {
  t.strictSame(
    await mapped(
      new Set([3, 1, 2]),
      (n) => n * 2,
      () => Promise.resolve(),
    ),
    [6, 2, 4],
  );
});

t.test('others have their turn while long work is done', async (t) => {
  const state = { turns: 0, done: false };
  const other = (): void => {
    state.turns += 1;
    if (!state.done) setImmediate(other);
  };
  setImmediate(other);
  const until = performance.now() + 50;
  const pause = inTurns(1);
  while (performance.now() < until) await pause();
  state.done = true;
  t.ok(state.turns >= 2, `${state.turns} turns`);
});
