/** What a comparison judges, what it leaves out and what it reports. */
import t from 'tap';
import { openFor } from '../db/fixtures/open.js';
import type { EngineBehaviour } from '../support/stand-ins.js';
import { open, reviewsOf, sided, V1 } from './fixtures/comparisons.js';

/** One for all tests that leave nothing waiting in it. */
const database = await openFor(t);

t.test('queued, then succeeded with its report, its summary at the top', async (t) => {
  const { start, wait, list, latest } = open(t, database);
  const item = await start({ old: 'base', new: 'v1' });
  t.match(item, { state: 'queued', old: null, new: V1, verdict: null, run_id: null, old_accuracy: null });
  const done = await wait(item.id);
  t.match(done, { state: 'succeeded', old_accuracy: 0, new_accuracy: 1, recommend_deploy: true, error: null });
  t.match(done, { verdict: 'not_enough_data', report: { lacking: { corrections: { rows: 8 } } } });
  t.match(done.report, {
    old: null,
    new: V1,
    base: { digest: 'm1' },
    manifest: /^[0-9a-f]{64}$/,
    latency: { new: { pairs: 12 } },
  });
  const { report: _report, ...summary } = done;
  t.same((await list({ limit: 1 })).items, [summary]);
  t.same(await latest('a-1', null), summary);
  t.equal(await latest(null, 'a-1'), null, 'the other way round is another comparison');
});

t.test('each adapter judges every held-out row, and no row of the training side', async (t) => {
  const rows = [sided(1), sided(2, { kind: 'confirmation' }), sided(3, { side: 'train' })];
  const { start, wait, engine } = open(t, database, { reviews: reviewsOf(rows) });
  const { report } = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.equal(report?.sets.union.n, 2);
  const both = engine.calls.filter(({ options }) => options.adapters);
  t.same(
    both.map(({ options, rows: judged }) => [options.adapters, judged.length]),
    [[['d1', 'd2'], 2]],
  );
  t.same(report?.leak_check, { training_rows: 1, same_page: 0, same_text: 0, near_text: 0 });
});

t.test('a row that the training side knows is not judged, and is counted', async (t) => {
  const rows = [sided(1), sided(2, { group_key: 'page:x' }), sided(3, { side: 'train', group_key: 'page:x' })];
  const { start, wait } = open(t, database, { reviews: reviewsOf(rows) });
  const { report } = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.match(report, { sets: { union: { n: 1 } }, leak_check: { same_page: 1 } });
});

t.test('texts that the model cannot take are counted, not judged', async (t) => {
  const rows = [sided(1), sided(2, { premise: ' ' }), sided(3, { premise: 'x'.repeat(20_001) })];
  const { start, wait } = open(t, database, { reviews: reviewsOf(rows) });
  const { report } = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.match(report, { sets: { union: { n: 1 } }, not_judged: { 'premise-empty': 1, 'premise-too-long': 1 } });
});

t.test('the newest reviews count: those of when it is judged', async (t) => {
  const rows = [sided(1)];
  const { start, wait } = open(t, database, { reviews: reviewsOf(rows) });
  const first = await wait((await start({ old: 'v1', new: 'v2' })).id);
  rows.push(sided(2));
  const second = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.same([first.report?.sets.union.n, second.report?.sets.union.n], [1, 2]);
  t.not(first.report?.manifest, second.report?.manifest);
});

t.test('an adapter that is not there is refused with its place in the request', async (t) => {
  const { start } = open(t, database);
  await t.rejects(start({ old: 'base', new: 'v9' }), { code: 'unprocessable', errors: [{ pointer: '/adapter' }] });
  await t.rejects(start({ old: 'v9', new: 'base' }), { code: 'unprocessable', errors: [{ pointer: '/against' }] });
});

t.test('an adapter whose answers are not finite fails the comparison, and the next one runs', async (t) => {
  const behaviour: EngineBehaviour = {
    classify: async (rows, { adapter, adapters = [adapter] }) =>
      rows.flatMap(() => adapters.map((one) => (one === 'd2' ? null : Float32Array.of(1, 0, 0)))),
  };
  const { start, wait, failures } = open(t, database, { behaviour });
  const [bad, good] = await Promise.all([start({ old: 'base', new: 'v2' }), start({ old: 'base', new: 'v1' })]);
  t.match(await wait(bad.id), {
    state: 'failed',
    report: null,
    verdict: null,
    error: /the new adapter gave no finite answer/,
  });
  t.match(await wait(good.id), { state: 'succeeded' });
  t.equal(failures.length, 1);
});

t.test('there is no comparison of another id, and a cursor of another list is refused', async (t) => {
  const { get, wait, list, start } = open(t, database);
  await t.rejects(get('none'), { code: 'not-found' });
  await t.rejects(wait('none'), { code: 'not-found' });
  await t.rejects(list({ limit: 1, cursor: 'WyJ4Il0' }), { code: 'invalid-request' });
  const asked = [await start({ old: 'base', new: 'v1' }), await start({ old: 'base', new: 'v1' })].map(({ id }) => id);
  const first = await list({ limit: 1 });
  const second = await list({ limit: 1, cursor: first.next_cursor ?? '' });
  t.same(
    [...first.items, ...second.items].map(({ id }) => id),
    asked.toReversed(),
  );
  t.equal((await list({ limit: 200 })).next_cursor, null, 'the last page has none');
  await Promise.all(asked.map(wait));
});
