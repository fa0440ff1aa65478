import t from 'tap';
import { bootstrapByPage, type Cluster, limitOfNone, rowsForLimit } from '../../src/evaluation/bootstrap.js';
import { exactP, timesUntilSignificant } from '../../src/evaluation/mcnemar.js';
import { generator } from '../support/random.js';

/** [b, c, p] in exact fractions; 1 against 7 is an example of Fagerland, Lydersen and Laake (2013), p = 0.0703. */
const P_VALUES = [
  [0, 0, 1],
  [1, 7, 0.0703125],
  [5, 0, 0.0625],
  [6, 0, 0.03125],
  [10, 2, 0.03857421875],
  [7, 7, 1],
  [30, 12, 0.007915897334896727],
  [600, 520, 0.018207019279300234],
] as const;

t.test("McNemar's exact two-sided p, whichever side is larger", async (t) => {
  for (const [b, c, p] of P_VALUES) {
    t.ok(Math.abs(exactP(b, c) - p) < 1e-10, `${b} against ${c}: ${exactP(b, c)}, ${p} expected`);
    t.equal(exactP(c, b), exactP(b, c));
  }
  t.ok(exactP(100_000, 100_500) > 0.25 && exactP(100_000, 100_500) < 0.28, 'large counts neither overflow nor vanish');
});

t.test('how many more rows make a difference significant', async (t) => {
  t.ok(Math.abs((timesUntilSignificant(6, 2, 0.05) ?? 0) - 2.5) < 0.02, '15 against 5 is the first, p = 0.041');
  t.equal(timesUntilSignificant(3, 3, 0.05), null);
  t.equal(timesUntilSignificant(2, 3, 0.05), null);
  t.equal(timesUntilSignificant(10_001, 10_000, 0.05), null, 'more than a hundred thousand discordant rows');
  t.equal(timesUntilSignificant(60, 2, 0.05), 1);
});

/** Every one of the 6^6 resamples, counted in exact fractions: the 2.5 % … 97.5 % points of the whole distribution. */
const PAGES: Cluster[] = [
  [2, 3],
  [-1, 2],
  [0, 5],
  [1, 1],
  [0, 2],
  [3, 4],
].map(([difference = 0, n = 0]) => ({ difference, n }));

t.test('percentiles of the bootstrap by page are those of all resamples', async (t) => {
  const interval = await bootstrapByPage(PAGES);
  // Beside each point, the points 0.6 % before and after it: what 4,999 draws may make of it.
  const wanted = { low: [-0.0953, -0.0625], lower: [0, 0], upper: [0.6, 0.625], high: [0.65, 0.6843] } as const;
  for (const [name, [least, most]] of Object.entries(wanted)) {
    const value = interval?.[name as 'low'] ?? Number.NaN;
    t.ok(value >= least && value <= most, `${name} ${value} from ${least} to ${most}`);
  }
});

t.test('the same seed gives the same interval, another seed another', async (t) => {
  const random = generator(7);
  const clusters = Array.from({ length: 200 }, () => ({ difference: Math.floor(random() * 3) - 1, n: 1 }));
  const of = (seed: number) => bootstrapByPage(clusters, { seed, replicates: 999 });
  t.same(await of(42), await of(42));
  t.notSame(await of(42), await of(43));
});

t.test('many independent pages come to the normal interval; rows that stand and fall together widen it', async (t) => {
  const random = generator(11);
  const differences = Array.from({ length: 900 }, () => Math.floor(random() * 3) - 1);
  const mean = differences.reduce((sum, difference) => sum + difference, 0) / 900;
  const deviation = Math.sqrt(differences.reduce((sum, difference) => sum + (difference - mean) ** 2, 0) / 900);
  const alone = await bootstrapByPage(differences.map((difference) => ({ difference, n: 1 })));
  const half = (1.96 * deviation) / 30;
  t.ok(Math.abs((alone?.low ?? 1) - (mean - half)) < 0.1 * half, `${alone?.low} near ${mean - half}`);
  t.ok(Math.abs((alone?.high ?? 1) - (mean + half)) < 0.1 * half, `${alone?.high} near ${mean + half}`);
  const together = await bootstrapByPage(differences.map((difference) => ({ difference: 9 * difference, n: 9 })));
  t.same(together, alone, 'nine equal rows of a page say no more than one');
});

t.test('of one page nothing can be said', async (t) => {
  t.equal(await bootstrapByPage([]), null);
  t.equal(await bootstrapByPage([{ difference: 3, n: 40 }]), null);
});

t.test('others get their turn between replicates', async (t) => {
  let pauses = 0;
  await bootstrapByPage(PAGES, { seed: 1, replicates: 39 }, async () => void (pauses += 1));
  t.equal(pauses, 39);
});

t.test('where nothing broke: the exact limit, and the fewest rows for it', async (t) => {
  t.ok(Math.abs(limitOfNone(59, 0.05) - 0.049507609888227) < 1e-12);
  t.ok(Math.abs(limitOfNone(20, 0.05) - 0.13910834066826516) < 1e-12);
  t.equal(rowsForLimit(0.05, 0.05), 59, '58 rows leave 0.0503');
});
