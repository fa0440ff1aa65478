import t from 'tap';
import { createResultCache } from '../../src/judge/result-cache.js';

const pair = (premise: string, nli_hypothesis: string) => ({ premise, nli_hypothesis });
const known = (logit: number) => ({ logits: Float32Array.of(logit, 0, 1), truncated: false });

t.test('what was answered is known, of that adapter and that pair alone', async (t) => {
  const cache = createResultCache(10);
  cache.set('d1', pair('ab', 'c'), known(1));
  t.equal(cache.get('d1', pair('ab', 'c'))?.logits[0], 1);
  for (const [name, adapter, other] of [
    ['the base model', null, pair('ab', 'c')],
    ['another adapter', 'd2', pair('ab', 'c')],
    ['other texts that read the same in a row', 'd1', pair('a', 'bc')],
    ['an empty premise', 'd1', pair('', 'abc')],
    ['a newline more', 'd1', pair('ab', 'c\n')],
  ] as const)
    t.equal(cache.get(adapter, other), undefined, name);
  t.strictSame(cache.status(), { hits: 1, misses: 5, entries: 1 });
});

t.test('full: what was asked for longest ago goes', async (t) => {
  const cache = createResultCache(2);
  cache.set(null, pair('first', ''), known(1));
  cache.set(null, pair('second', ''), known(2));
  cache.get(null, pair('first', ''));
  cache.set(null, pair('third', ''), known(3));
  t.equal(cache.status().entries, 2);
  t.equal(cache.get(null, pair('second', '')), undefined);
  t.equal(cache.get(null, pair('first', ''))?.logits[0], 1);
});

t.test('cleared: nothing is known', async (t) => {
  const cache = createResultCache(2);
  cache.set(null, pair('a', 'b'), known(1));
  cache.clear();
  t.equal(cache.get(null, pair('a', 'b')), undefined);
  t.equal(cache.status().entries, 0);
});

t.test('of size 0: nothing is kept or counted', async (t) => {
  const cache = createResultCache(0);
  cache.set(null, pair('a', 'b'), known(1));
  t.equal(cache.get(null, pair('a', 'b')), undefined);
  t.strictSame(cache.status(), { hits: 0, misses: 0, entries: 0 });
});
