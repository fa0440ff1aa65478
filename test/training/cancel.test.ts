import t from 'tap';
import { addCorrections, eventOf, gone, openTraining, pidsOf, trained } from './fixtures/training.js';

t.test('cancelled while it trains: its children end, and it stays cancelled', async (t) => {
  let pids: number[] = [];
  const { run, adapter, training, events } = await trained(t, { recipe: { epochs: 100 } }, async (live, id) => {
    pids = await pidsOf(live, id);
    await eventOf(live, id, ({ type }) => type === 'step');
    t.match(await live.cancel(id), { state: 'cancelled' });
    await gone(pids);
  });
  t.equal(pids.length, 2);
  t.match(run, { state: 'cancelled', adapter_id: null, ended_at: String, error: null });
  t.equal(adapter, undefined);
  t.ok(events.filter(({ type }) => type === 'step').length < 300);
  t.match(await training.cancel(run?.id as string), { state: 'cancelled' }, 'twice is once');
});

t.test('cancelled while its adapter is kept: what comes late is refused', async (t) => {
  let keep: ((kept: { id: string }) => void) | undefined;
  const keepAdapter = () => new Promise<{ id: string }>((resolve) => (keep = resolve));
  const { run } = await trained(t, { keepAdapter }, async (live, id) => {
    await eventOf(live, id, ({ stage }) => stage === 'registering');
    await live.cancel(id);
    keep?.({ id: 'late' });
  });
  t.match(run, { state: 'cancelled', adapter_id: null });
});

t.test('cancelled while it is compared: nobody waits for the comparison', async (t) => {
  const { run } = await trained(t, { compared: () => new Promise(() => undefined) }, async (live, id) => {
    await eventOf(live, id, ({ type }) => type === 'comparison');
    await live.cancel(id);
  });
  t.match(run, { state: 'cancelled', comparison_id: String });
});

t.test('cancelled in the queue: the one before it goes on', async (t) => {
  const { training, database } = await openTraining(t);
  await addCorrections(database, 20);
  const [first, second] = [await training.start({}), await training.start({})];
  t.match(await training.cancel(second.id), { state: 'cancelled', started_at: null });
  await training.idle();
  t.match(await training.get(first.id), { state: 'succeeded' });
  t.match(await training.get(second.id), { state: 'cancelled' });
  await t.rejects(training.cancel(first.id), { code: 'conflict', message: /ended: it succeeded/ });
  await t.rejects(training.cancel('none'), { code: 'not-found' });
});
