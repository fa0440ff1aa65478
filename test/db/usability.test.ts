import * as fc from 'fast-check';
import t from 'tap';
import { groupKey, normaliseText, pairKey } from '../../src/db/pair-key.js';
import { type UsabilityRow, usabilityOfPair } from '../../src/db/usability.js';
import { LABELS } from '../../src/labels.js';

t.test('what a copy changes makes no other pair; what can change the meaning does', async (t) => {
  t.equal(normaliseText(' Ａ\u00a0fine\n\tDAY. '), 'a fine day.');
  const key = pairKey('A fine day.', 'It is fine.');
  for (const [premise, hypothesis] of [
    ['a FINE  day.', 'It is fine. '],
    ['A ﬁne day.', 'it is fine.'],
  ] as const)
    t.equal(pairKey(premise, hypothesis), key);
  for (const [premise, hypothesis] of [
    ['A fine day', 'It is fine.'],
    ['It is fine.', 'A fine day.'],
    ['A fine day. It', 'is fine.'],
    ['A fíne day.', 'It is fine.'],
  ] as const)
    t.not(pairKey(premise, hypothesis), key);
});

t.test('a group is a page, else a premise; a page that is named like a premise is none', async (t) => {
  t.equal(groupKey('p', 'a'), groupKey('p', 'b'));
  t.equal(groupKey(null, ' A'), groupKey(null, 'a'));
  t.not(groupKey(groupKey(null, 'a'), 'a'), groupKey(null, 'a'));
});

const label = fc.constantFrom(...LABELS);
const rows = fc.array(
  fc.record({
    reviewer: fc.constantFrom('ada', 'bob', 'cyd'),
    original_label: label,
    correct_label: label,
    original_confidence: fc.constantFrom(0.5, 0.8, 0.9),
  }),
  { minLength: 1, maxLength: 6 },
);

t.test('of the rows of a pair one counts at most, and none while the latest answers differ', async () => {
  fc.assert(
    fc.property(rows, (said) => {
      const all = said.map((one, at): UsabilityRow => {
        return { ...one, id: `id-${at}`, pair_sha256: 'x', created_at: `2026-01-01T00:00:0${at}.000Z` };
      });
      const reasons = usabilityOfPair(all.toReversed(), 0.8);
      const latest = new Map(all.map((row) => [row.reviewer, row]));
      const agreed = new Set([...latest.values()].map(({ correct_label }) => correct_label)).size === 1;
      const usable = all.filter(({ id }) => reasons.get(id) === null);
      const fits = usable.every((row) => row.original_confidence > 0.8 && row.original_label !== row.correct_label);
      const some = [...latest.values()].some(
        (row) => row.original_confidence > 0.8 && row.original_label !== row.correct_label,
      );
      return reasons.size === all.length && fits && usable.length === (agreed && some ? 1 : 0);
    }),
  );
});
