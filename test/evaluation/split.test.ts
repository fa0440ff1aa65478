import * as fc from 'fast-check';
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
  await fc.assert(
    fc.asyncProperty(rounds, async (grown) => {
      const groups: Group[] = [];
      const decided = new Map<string, Side>();
      for (const pages of grown) {
        groups.push(...groupsOf(pages, groups.length));
        const fresh = await decideSides(groups, decided);
        const news = groups.filter(({ key }) => !decided.has(key)).map(({ key }) => key);
        if (fresh.size !== news.length || news.some((key) => !fresh.has(key))) return false;
        for (const [key, side] of fresh) decided.set(key, side);
      }
      return decided.size === groups.length;
    }),
  );
});

t.test('the order in which pages come does not matter', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(page(5), { minLength: 1, maxLength: 40 }), async (pages) => {
      const groups = groupsOf(pages);
      const forth = await decideSides(groups, new Map());
      const back = await decideSides(groups.toReversed(), new Map());
      return groups.every(({ key }) => forth.get(key) === back.get(key));
    }),
  );
});

t.test('label shares of the two sides are within 5 points where no page is large', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(page(3), { minLength: 100, maxLength: 200 }), async (pages) => {
      const groups = groupsOf(pages);
      const sides = await decideSides(groups, new Map());
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
    for (const [key, side] of await decideSides(groups, decided)) decided.set(key, side);
  }
  const [train, held] = [rowsOf(groups, decided, 'train'), rowsOf(groups, decided, 'validation')];
  for (const label of LABELS) {
    const share = (held[label] ?? 0) / ((held[label] ?? 0) + (train[label] ?? 0));
    t.ok(Math.abs(share - SPLIT.share) < 0.02, `${label}: ${share}`);
  }
});

t.test('one page that holds everything is trained on, never cut', async (t) => {
  t.strictSame(
    [...(await decideSides([{ key: 'page:1', strata: { refutes: 500 } }], new Map()))],
    [['page:1', 'train']],
  );
  t.strictSame([...(await decideSides([], new Map()))], []);
});

t.test('another seed holds out other pages', async (t) => {
  const groups = groupsOf(Array.from({ length: 50 }, () => ['neutral']));
  const held = async (seed: number): Promise<string[]> =>
    [...(await decideSides(groups, new Map(), { ...SPLIT, seed }))]
      .filter(([, side]) => side === 'validation')
      .map(([key]) => key);
  t.equal((await held(42)).length, 10);
  t.strictSame(await held(42), await held(42));
  t.notSame((await held(42)).sort(), (await held(7)).sort());
});

t.test('pauses at any place change nothing', async (t) => {
  const groups = groupsOf(
    Array.from({ length: 3000 }, (_, at) => [LABELS[at % 3] ?? '', LABELS[((at * 7) % 5) % 3] ?? '']),
  );
  let calls = 0;
  const pause = (): Promise<void> | undefined => ((calls += 1) % 101 === 0 ? Promise.resolve() : undefined);
  t.strictSame(await decideSides(groups, new Map(), { ...SPLIT, pause }), await decideSides(groups, new Map()));
  t.ok(calls > groups.length, 'it pauses between groups');
});
