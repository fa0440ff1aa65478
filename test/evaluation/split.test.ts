import fc from 'fast-check';
import t from 'tap';
import { decideSides, type Group, type Side, SPLIT } from '../../src/evaluation/split.js';

const LABELS = ['supports', 'refutes', 'neutral'] as const;

/** A page of 1 to `most` rows of any labels. */
const page = (most: number) => fc.array(fc.constantFrom(...LABELS), { minLength: 1, maxLength: most });

function groupsOf(pages: readonly (readonly string[])[], first = 0): Group[] {
  return pages.map((labels, at) => {
    const strata: Record<string, number> = {};
    for (const label of labels) strata[label] = (strata[label] ?? 0) + 1;
    return { key: `page:${first + at}`, strata };
  });
}

function rowsOf(groups: readonly Group[], sides: ReadonlyMap<string, Side>, side: Side): Record<string, number> {
  const rows: Record<string, number> = {};
  for (const { key, strata } of groups) {
    if (sides.get(key) !== side) continue;
    for (const [label, count] of Object.entries(strata)) rows[label] = (rows[label] ?? 0) + count;
  }
  return rows;
}

const total = (rows: Readonly<Record<string, number>>): number =>
  Object.values(rows).reduce((sum, count) => sum + count, 0);

t.test('every page has one side, and keeps it while the data grows', async () => {
  const rounds = fc.array(fc.array(page(6), { maxLength: 30 }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(rounds, (grown) => {
      const groups: Group[] = [];
      const decided = new Map<string, Side>();
      for (const pages of grown) {
        groups.push(...groupsOf(pages, groups.length));
        const fresh = decideSides(groups, decided);
        const news = groups.filter(({ key }) => !decided.has(key)).map(({ key }) => key);
        if (fresh.size !== news.length || news.some((key) => !fresh.has(key))) return false;
        for (const [key, side] of fresh) decided.set(key, side);
      }
      return decided.size === groups.length;
    }),
  );
});

t.test('the order in which pages come does not matter', async () => {
  fc.assert(
    fc.property(fc.array(page(5), { minLength: 1, maxLength: 40 }), (pages) => {
      const groups = groupsOf(pages);
      const [forth, back] = [decideSides(groups, new Map()), decideSides(groups.toReversed(), new Map())];
      return groups.every(({ key }) => forth.get(key) === back.get(key));
    }),
  );
});

t.test('label shares of the two sides are within 5 points where no page is large', async () => {
  fc.assert(
    fc.property(fc.array(page(3), { minLength: 100, maxLength: 200 }), (pages) => {
      const groups = groupsOf(pages);
      const sides = decideSides(groups, new Map());
      const [train, held] = [rowsOf(groups, sides, 'train'), rowsOf(groups, sides, 'validation')];
      const apart = LABELS.map((label) =>
        Math.abs((train[label] ?? 0) / total(train) - (held[label] ?? 0) / total(held)),
      );
      const share = total(held) / (total(train) + total(held));
      return Math.max(...apart) <= 0.05 && Math.abs(share - SPLIT.share) <= 0.05;
    }),
  );
});

t.test('shares stay near a fifth when pages come one by one', async (t) => {
  const groups: Group[] = [];
  const decided = new Map<string, Side>();
  for (let at = 0; at < 300; at++) {
    groups.push({ key: `page:${at}`, strata: { [LABELS[at % 3] ?? '']: 1 + (at % 4) } });
    for (const [key, side] of decideSides(groups, decided)) decided.set(key, side);
  }
  const [train, held] = [rowsOf(groups, decided, 'train'), rowsOf(groups, decided, 'validation')];
  for (const label of LABELS) {
    const share = (held[label] ?? 0) / ((held[label] ?? 0) + (train[label] ?? 0));
    t.ok(Math.abs(share - SPLIT.share) < 0.02, `${label}: ${share}`);
  }
});

t.test('one page that holds everything is trained on, never cut', async (t) => {
  t.strictSame([...decideSides([{ key: 'page:1', strata: { refutes: 500 } }], new Map())], [['page:1', 'train']]);
  t.strictSame([...decideSides([], new Map())], []);
});

t.test('another seed holds out other pages', async (t) => {
  const groups = groupsOf(Array.from({ length: 50 }, () => ['neutral']));
  const held = (seed: number): string[] =>
    [...decideSides(groups, new Map(), { ...SPLIT, seed })]
      .filter(([, side]) => side === 'validation')
      .map(([key]) => key);
  t.equal(held(42).length, 10);
  t.strictSame(held(42), held(42));
  t.notSame(held(42).sort(), held(7).sort());
});
