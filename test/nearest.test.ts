import t from 'tap';
import { editDistance, nearest } from '../src/nearest.js';

t.test('edit distance counts letters added, removed and replaced', async (t) => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['port', 'prot', 2],
    ['same', 'same', 0],
  ];
  for (const [a, b, distance] of cases) {
    t.equal(editDistance(a, b), distance, `${a} → ${b}`);
    t.equal(editDistance(b, a), distance, `${b} → ${a}`);
  }
});

t.test('the nearest candidate, the first of equals, none of none', async (t) => {
  t.equal(nearest('prot', ['host', 'port', 'model']), 'port');
  t.equal(nearest('x', ['b', 'a']), 'b');
  t.equal(nearest('x', []), undefined);
});
