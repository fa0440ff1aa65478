import fc from 'fast-check';
import t from 'tap';
import { batchesPerEpoch, epochBatches } from '../../src/training/batches.js';

const lengthsOf = fc.array(fc.integer({ min: 3, max: 512 }), { minLength: 1, maxLength: 300 });
const plans = fc.record({ seed: fc.nat(), batchSize: fc.integer({ min: 1, max: 32 }) });
const lengths = Array.from({ length: 400 }, (_, i) => 8 + ((i * 7919) % 120));
const plan = { seed: 42, batchSize: 8 };

t.test('every row is in exactly one batch of an epoch, and no batch is too large', async (t) => {
  fc.assert(
    fc.property(lengthsOf, plans, fc.nat(50), (rows, given, epoch) => {
      const batches = epochBatches(rows, given, epoch);
      const met = batches.flat().sort((a, b) => a - b);
      return (
        batches.length === batchesPerEpoch(rows.length, given) &&
        batches.every(({ length }) => length >= 1 && length <= given.batchSize) &&
        met.length === rows.length &&
        met.every((row, i) => row === i)
      );
    }),
  );
  t.pass();
});

t.test('the order hangs on the seed and the epoch alone', async (t) => {
  t.strictSame(epochBatches(lengths, plan, 3), epochBatches(lengths, plan, 3));
  t.notSame(epochBatches(lengths, plan, 3), epochBatches(lengths, plan, 4));
  t.notSame(epochBatches(lengths, plan, 3), epochBatches(lengths, { ...plan, seed: 43 }, 3));
});

t.test('rows of a batch are of like length, sorted, and batches are not in the order of length', async (t) => {
  const batches = epochBatches(lengths, plan, 0);
  const padded = batches.reduce((sum, rows) => sum + rows.length * Math.max(...rows.map((row) => lengths[row]!)), 0);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  t.ok(padded < 1.15 * tokens, `${padded} padded for ${tokens} tokens`);
  for (const rows of batches)
    t.strictSame(
      rows,
      rows.toSorted((a, b) => lengths[b]! - lengths[a]!),
    );
  const longest = batches.map(([row]) => lengths[row!]!);
  t.notSame(
    longest,
    longest.toSorted((a, b) => b - a),
  );
});
