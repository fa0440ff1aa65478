import fc from 'fast-check';
import t from 'tap';
import { gramsOf, jaccard, NEAR, nearAny } from '../../src/evaluation/near-duplicates.js';

const TEXT = Array.from({ length: 60 }, (_, at) => `word${at}`).join(' ');

t.test('a word more, other case and other punctuation are near; another half is not', async (t) => {
  const near = await nearAny(
    [`${TEXT} more`, `“${TEXT.toUpperCase()}!”`, TEXT.replaceAll(/word([0-2]\d?)\b/g, 'x$1'), 'short', ''],
    [TEXT, 'Short.'],
  );
  t.strictSame(near, [true, true, false, true, false]);
});

/** Texts of few words, and copies of them with a word changed here and there: some near, some nearly so. */
const texts = fc
  .array(
    fc.tuple(
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.nat(), { maxLength: 3 }),
    ),
    { minLength: 2, maxLength: 12 },
  )
  .map((made) =>
    made.flatMap(([words, changes]) => {
      const copy = [...words];
      for (const change of changes) copy[change % copy.length] = 99;
      return [words.join(' '), copy.join(' ')];
    }),
  );

t.test('the index finds what comparing all with all finds', async () => {
  await fc.assert(
    fc.asyncProperty(texts, texts, async (left, right) => {
      const all = left.map((a) => right.some((b) => jaccard(gramsOf(a), gramsOf(b)) >= NEAR));
      const found = await nearAny(left, [...right, ...left.slice(0, 1)]);
      return found.every(
        (near, at) => near === (all[at] === true || jaccard(gramsOf(left[at] ?? ''), gramsOf(left[0] ?? '')) >= NEAR),
      );
    }),
  );
});

t.test('the Jaccard index counts common over all', async (t) => {
  const set = (...grams: number[]) => Uint32Array.from(grams);
  t.equal(jaccard(set(1, 2, 3), set(2, 3, 4)), 0.5);
  t.equal(jaccard(set(1), set(2)), 0);
  t.equal(jaccard(set(5, 7), set(5, 7)), 1);
  t.equal(gramsOf('a b c d').length, 2);
  t.strictSame(gramsOf('A  b, c!'), gramsOf('a b c'));
});
