/** When a comparison runs: in turn, behind live traffic, and again after the end of the service. */
import t from 'tap';
import { Problem } from '../../src/errors.js';
import { openFor } from '../db/fixtures/open.js';
import { type EngineBehaviour, engineStandIn } from '../support/stand-ins.js';
import { aborted, ones, open, reviewsOf, sided } from './fixtures/comparisons.js';

/** One for all tests that leave nothing waiting in it. */
const database = await openFor(t);

t.test('a full queue is waited for', async (t) => {
  let refused = 0;
  const behaviour: EngineBehaviour = {
    classify: async (rows, options) => {
      if (refused++ === 0) throw new Problem('queue-full', 'full');
      return ones(rows, options);
    },
  };
  const { start, wait } = open(t, database, { behaviour, reviews: reviewsOf([sided(1)]) });
  t.match(await wait((await start({ old: 'base', new: 'v1' })).id), { state: 'succeeded' });
});

t.test('one at a time, in the order of asking', async (t) => {
  let [running, most] = [0, 0];
  const reviews = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running -= 1;
    return { held: [], trained: [] };
  };
  const { start, wait } = open(t, database, { reviews });
  const asked = [
    await start({ old: 'base', new: 'v1' }),
    await start({ old: 'base', new: 'v2' }),
    await start({ old: 'v1', new: 'v2' }),
  ];
  const done = await Promise.all(asked.map(({ id }) => wait(id)));
  t.equal(most, 1);
  const begun = done.map(({ started_at }) => Date.parse(started_at ?? ''));
  t.same(
    begun,
    begun.toSorted((a, b) => a - b),
  );
});

t.test('live traffic goes first', async (t) => {
  let queuedPairs = 5;
  const judgedWith: number[] = [];
  const behaviour: EngineBehaviour = {
    classify: async (rows, options) => {
      judgedWith.push(queuedPairs);
      return ones(rows, options);
    },
  };
  const engine = engineStandIn(behaviour);
  const { start, wait } = open(t, database, {
    engine: {
      classify: async (rows, options) => engine.classify(rows, { deadline: Infinity, adapter: null, ...options }),
      status: () => ({ ...engine.status(), queuedPairs }),
    },
    reviews: reviewsOf([sided(1)]),
  });
  const { id } = await start({ old: 'base', new: 'v1' });
  setTimeout(() => (queuedPairs = 0), 60);
  await wait(id);
  t.ok(judgedWith.length > 0 && judgedWith.every((queued) => queued === 0));
});

t.test(
  'cut short by the end of the service, it is begun again at the next start, and given up after three',
  async (t) => {
    const hanging: EngineBehaviour = { classify: (_rows, { signal }) => aborted(signal) };
    const begun = async (id: string, service: ReturnType<typeof open>): Promise<void> => {
      while ((await service.get(id)).state !== 'running' || service.engine.calls.length === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const first = open(t, database, { behaviour: hanging });
    const { id } = await first.start({ old: 'base', new: 'v1' });
    const waiting = t.rejects(first.wait(id), { code: 'unavailable' }, 'who waits is told');
    await begun(id, first);
    await first.close();
    await waiting;
    t.match(await first.get(id), { state: 'running', error: null }, 'it is not over');
    const second = open(t, database);
    t.match(await second.wait(id), { state: 'succeeded', new_accuracy: 1 });

    const third = open(t, database, { behaviour: hanging });
    const { id: poison } = await third.start({ old: 'base', new: 'v2' });
    await begun(poison, third);
    await third.close();
    for (let attempt = 2; attempt <= 3; attempt++) {
      const service = open(t, database, { behaviour: hanging });
      await begun(poison, service);
      await service.close();
    }
    t.match(await open(t, database).wait(poison), { state: 'failed', error: /ended 3 times/ });
  },
);

t.test('one that was asked for under another base model fails', async (t) => {
  const hanging: EngineBehaviour = { classify: (_rows, { signal }) => aborted(signal) };
  const before = open(t, database, { behaviour: hanging });
  const { id } = await before.start({ old: 'base', new: 'v1' });
  await before.close();
  const after = open(t, database, { base: { name: 'other', digest: 'm2' } });
  t.match(await after.wait(id), { state: 'failed', error: /another base model/ });
});

t.test('so many may wait', async (t) => {
  const { start } = open(t, await openFor(t), { behaviour: { classify: (_rows, { signal }) => aborted(signal) } });
  const asking = Array.from({ length: 100 }, () => start({ old: 'base', new: 'v1' }));
  await Promise.all(asking);
  await t.rejects(start({ old: 'base', new: 'v1' }), { code: 'queue-full' });
});
