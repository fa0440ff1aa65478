import t from 'tap';
import type { Shadow } from '../../src/judge/parts.js';
import { createResultCache } from '../../src/judge/result-cache.js';
import { judgeWith, pair } from '../support/judge.js';
import { engineStandIn } from '../support/stand-ins.js';

const cached = (engine = engineStandIn()) => ({ engine, ...judgeWith({ engine, cache: createResultCache(100) }) });

t.test('of a request only what is not known is run, and every pair has its own answer', async (t) => {
  const { engine, judge } = cached();
  const pairs = ['a', 'bb', 'ccc'].map((text) => pair(text, text));
  const alone = await judge.judge({ pairs: pairs.slice(1, 2), adapter: 'active' });
  const { results } = await judge.judge({ pairs, adapter: 'active' });
  t.strictSame(
    engine.calls.map(({ rows }) => rows.length),
    [1, 2],
  );
  t.strictSame({ ...results[1], prediction_id: 'p-1' }, alone.results[0]);
  const anew = await judgeWith().judge.judge({ pairs, adapter: 'active' });
  t.strictSame(
    results.map(({ scores }) => scores),
    anew.results.map(({ scores }) => scores),
  );
});

t.test('what is known is recorded like everything else, under an id of its own', async (t) => {
  const { judge, rows } = cached();
  const ids = [];
  for (let time = 0; time < 2; time += 1) {
    const { results } = await judge.judge({ pairs: [pair('c1')], adapter: 'active' });
    ids.push(results[0]?.prediction_id);
  }
  t.strictSame(ids, ['p-1', 'p-2']);
  t.strictSame({ ...rows[1], id: 'p-1' }, rows[0]);
});

t.test('what is known of one adapter is not known of another', async (t) => {
  const { engine, judge } = cached();
  for (const adapter of ['active', 'base', 'v1', 'active', 'base']) await judge.judge({ pairs: [pair('c1')], adapter });
  t.strictSame(
    engine.calls.map(({ options }) => options.adapter),
    ['d1', null],
    'v1 is active',
  );
});

t.test('neither a pair in trouble nor one without a finite answer is known', async (t) => {
  const engine = engineStandIn({ classify: async (rows) => rows.map(() => null) });
  const { judge } = cached(engine);
  const pairs = [pair('empty', ''), pair('not finite')];
  for (let time = 0; time < 2; time += 1)
    t.match((await judge.judge({ pairs, adapter: 'base' })).results, [
      { error: /premise is empty/ },
      { error: /no finite answer/ },
    ]);
  t.equal(engine.calls.length, 2);
});

t.test('the word that a premise was cut is kept', async (t) => {
  const { judge } = cached();
  for (let time = 0; time < 2; time += 1) {
    const { results } = await judge.judge({ pairs: [pair('c1', 'cut …')], adapter: 'base' });
    t.equal(results[0]?.truncated, true);
  }
});

t.test('where all is known no room is needed', async (t) => {
  const cache = createResultCache(100);
  await judgeWith({ cache }).judge.judge({ pairs: [pair('c1')], adapter: 'base' });
  const full = judgeWith({ cache, engine: engineStandIn({ refusal: new Error('full') }) });
  t.match((await full.judge.judge({ pairs: [pair('c1')], adapter: 'base' })).results, [{ error: null }]);
  await t.rejects(full.judge.judge({ pairs: [pair('c1'), pair('c2', 'new')], adapter: 'base' }), { message: 'full' });
});

t.test('the live shadow hears of what is run alone', async (t) => {
  const heard: unknown[] = [];
  const shadow: Shadow = {
    take: (_adapter, rows) => ({
      riders: Array.from({ length: rows }, () => undefined),
      answered: (judgements) => heard.push(judgements.map(({ pair_id }) => pair_id)),
    }),
  };
  const { judge } = judgeWith({ shadow, cache: createResultCache(100) });
  await judge.judge({ pairs: [pair('known')], adapter: 'active' });
  await judge.judge({ pairs: [pair('known'), pair('empty', ''), pair('new', 'text')], adapter: 'active' });
  await judge.judge({ pairs: [pair('known')], adapter: 'active' });
  t.strictSame(heard, [['known'], ['new']]);
});
