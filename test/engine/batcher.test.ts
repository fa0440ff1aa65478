import fc from 'fast-check';
import t from 'tap';
import { type BatchLimits, type Waiting, nextBatch } from '../../src/engine/batcher.js';

interface Row extends Waiting {
  readonly id: number;
}

const rows = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 512 }), key: fc.constantFrom('a', 'b', 'c') }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((given): Row[] => given.map((row, id) => ({ ...row, id, since: id })));
const limits = fc
  .record({ tokens: fc.integer({ min: 1, max: 4096 }), rows: fc.integer({ min: 1, max: 64 }) })
  .map((given): BatchLimits => ({ ...given, ageMs: 0 }));

const NOW = 1000;
const padded = (batch: readonly Row[]): number => batch.length * Math.max(...batch.map(({ length }) => length));
const sum = (batch: readonly Row[]): number => batch.reduce((all, { length }) => all + length, 0);

t.test('the oldest row is in every batch, each row once, all of one key', async () => {
  fc.assert(
    fc.property(rows, limits, (waiting, limit) => {
      const batch = nextBatch(waiting, limit, NOW);
      return (
        batch.includes(waiting[0]!) &&
        new Set(batch).size === batch.length &&
        batch.every((row) => waiting.includes(row) && row.key === waiting[0]!.key)
      );
    }),
  );
});

t.test('no batch but that of one row exceeds the bounds', async () => {
  fc.assert(
    fc.property(rows, limits, (waiting, limit) => {
      const batch = nextBatch(waiting, limit, NOW);
      return (
        batch.length === 1 ||
        (padded(batch) <= limit.tokens && batch.length <= limit.rows && padded(batch) <= sum(batch) * 1.15)
      );
    }),
  );
});

t.test('a batch is a run of neighbours in length, shortest first', async () => {
  fc.assert(
    fc.property(rows, limits, (waiting, limit) => {
      const lengths = nextBatch(waiting, limit, NOW).map(({ length }) => length);
      const [low, high] = [lengths[0]!, lengths.at(-1)!];
      const between = waiting.filter(({ key, length }) => key === waiting[0]!.key && length > low && length < high);
      return (
        lengths.every((length, i) => i === 0 || length >= lengths[i - 1]!) &&
        between.every(({ length }) => lengths.includes(length))
      );
    }),
  );
});

t.test('the lengths of a batch do not depend on the order behind the oldest', async () => {
  fc.assert(
    fc.property(rows, limits, fc.infiniteStream(fc.nat()), (waiting, limit, keys) => {
      const [oldest, ...rest] = waiting;
      const shuffled = rest.map((row) => ({ row, at: keys.next().value as number })).toSorted((a, b) => a.at - b.at);
      const again = nextBatch([oldest!, ...shuffled.map(({ row }) => row)], limit, NOW);
      return (
        nextBatch(waiting, limit, NOW)
          .map(({ length }) => length)
          .join() === again.map(({ length }) => length).join()
      );
    }),
  );
});

t.test('batch after batch takes every row once', async () => {
  fc.assert(
    fc.property(rows, limits, (waiting, limit) => {
      const taken: Row[] = [];
      for (let left = waiting; left.length > 0;) {
        const batch = nextBatch(left, limit, NOW);
        if (batch.length === 0) return false;
        taken.push(...batch);
        left = left.filter((row) => !batch.includes(row));
      }
      return taken.length === waiting.length && new Set(taken).size === waiting.length;
    }),
  );
});

const row = (length: number, since = 0, key = 'a', id = 0): Row => ({ length, since, key, id });
const LIMITS: BatchLimits = { tokens: 100, rows: 3, ageMs: 50 };

const HELD: [string, Row[], number, number][] = [
  ['nothing waits', [], 0, 0],
  ['one young row', [row(10)], 49, 0],
  ['one row that is old enough', [row(10)], 50, 1],
  ['two young rows', [row(10), row(10, 5)], 20, 0],
  ['as many rows as a batch takes', [row(10), row(10), row(10)], 0, 3],
  ['more rows than a batch takes', [row(10), row(10), row(10), row(10)], 0, 3],
  ['a row that fills a batch with no room for the next', [row(60), row(60)], 0, 1],
  ['a row longer than any batch', [row(500), row(500)], 0, 1],
  ['rows of too different lengths', [row(10), row(30)], 0, 1],
  ['another key does not fill the batch', [row(10), row(10, 0, 'b'), row(10, 0, 'b')], 0, 0],
];

t.test('an unfilled batch is held back until its oldest row is old enough', async (t) => {
  for (const [name, waiting, now, count] of HELD) t.equal(nextBatch(waiting, LIMITS, now).length, count, name);
});
