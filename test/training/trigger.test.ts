import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { addCorrections, encoding, openTraining, type Setup } from './fixtures/training.js';

t.test('a run starts by itself when enough usable corrections are new, once', async (t) => {
  const { training, database } = await openTraining(t, { trainAfter: 9, recipe: { epochs: 1 } });
  const runs = async () => (await training.list({ limit: 50 })).items;
  const store = async (count: number, from: number): Promise<number> => {
    await addCorrections(database, count, from);
    for (let i = 0; i < 20; i++) training.correctionsStored();
    await training.idle();
    return (await runs()).length;
  };
  t.equal(await store(8, 0), 0, 'eight');
  t.equal(await store(2, 8), 1, 'nine, and a confirmation that does not count');
  t.match(await runs(), [{ started_by: 'trigger', state: 'succeeded' }]);
  t.equal(await store(9, 10), 2, 'nine more');
  t.equal(await store(8, 20), 2, 'eight more');
  const { id } = await training.start({});
  await training.idle();
  t.match(await training.get(id), { started_by: 'request', state: 'succeeded' });
  t.equal(await store(8, 30), 3, 'a run that was asked for counts too');
  const exclude = Array.from({ length: 8 }, (_, i) => `c-0000${30 + i}`);
  await training.start({ exclude });
  t.equal(await store(8, 40), 4, 'what a run was to leave out is not new');
});

t.test('many looks and starts at the same time', async (t) => {
  const { training, database } = await openTraining(t, { trainAfter: 10, recipe: { epochs: 1 } });
  const { training: second } = await openTraining(t, { trainAfter: 10, database });
  await addCorrections(database, 20);
  for (const one of [training, second, training, second]) one.correctionsStored();
  await Promise.all([training.idle(), second.idle()]);
  const { items } = await training.list({ limit: 50 });
  t.match(items, [{ started_by: 'trigger' }]);
  t.equal(items.length, 1);
});

t.test('after a failed run as many again are waited for', async (t) => {
  const { training, database } = await openTraining(t, {
    trainAfter: 9,
    encode: encoding(async () => Promise.reject(new Error('never'))),
  });
  const failed = async (count: number, from: number): Promise<number> => {
    await addCorrections(database, count, from);
    training.correctionsStored();
    await training.idle();
    const { items } = await training.list({ limit: 50 });
    return items.filter(({ state }) => state === 'failed').length;
  };
  t.equal(await failed(10, 0), 1);
  t.equal(await failed(8, 10), 1);
  t.equal(await failed(2, 18), 2);
});

t.test('what no run ever learns from is planned once, not with every correction', async (t) => {
  const plans = { made: 0, usable: 4 };
  const prepare: Setup['prepare'] = async () => {
    plans.made += 1;
    const rows = Array.from({ length: plans.usable }, (_, i) => ({
      correction_id: `c-${String(i).padStart(6, '0')}`,
      side: 'train' as const,
      kind: 'correction' as const,
    }));
    return { rows, left_out: [] };
  };
  const { training, database } = await openTraining(t, { trainAfter: 9, recipe: { epochs: 1 }, prepare });
  const store = async (from: number): Promise<number> => {
    await addCorrections(database, 1, from);
    training.correctionsStored();
    await training.idle();
    return plans.made;
  };
  await training.idle(); // it looks at its start too
  await addCorrections(database, 20);
  t.equal(await store(20), 1, 'four of 21 are usable, five are lacking');
  for (const from of [21, 22, 23, 24]) t.equal(await store(from), 1, `${from - 20} more`);
  plans.usable = 9;
  t.equal(await store(25), 2, 'five more');
  t.match((await training.list({ limit: 50 })).items, [{ started_by: 'trigger' }]);
});

t.test('what another process stores is seen without being told', async (t) => {
  const { training, database } = await openTraining(t, { trainAfter: 9, recipe: { epochs: 1 }, lookEveryMs: 50 });
  await training.idle();
  await addCorrections(database, 12);
  while ((await training.list({ limit: 50 })).items.length === 0) await sleep(20);
  t.match((await training.list({ limit: 50 })).items, [{ started_by: 'trigger' }]);
});

t.test('too few usable ones in all start nothing by themselves, nor does 0', async (t) => {
  for (const setup of [{ trainAfter: 5, recipe: { min_corrections: 50 } }, { trainAfter: 0 }]) {
    const { training, database } = await openTraining(t, setup);
    await addCorrections(database, 20);
    training.correctionsStored();
    await training.idle();
    t.strictSame((await training.list({ limit: 50 })).items, []);
  }
});

t.test('the database allows one running run per base model, and no change of a run that has ended', async (t) => {
  const { training, database } = await openTraining(t, { recipe: { epochs: 1 } });
  await addCorrections(database, 20);
  const { id } = await training.start({});
  await training.idle();
  await t.rejects(database.run('setState', { id, state: 'running' }), { message: /the training run has ended/ });
  const encode = encoding(() => new Promise<never>(() => undefined));
  const { training: busy, database: other } = await openTraining(t, { encode });
  await addCorrections(other, 20);
  const [, queued] = [await busy.start({}), await busy.start({})];
  await t.rejects(other.run('setState', { id: queued.id, state: 'running' }), { message: /UNIQUE constraint failed/ });
  await t.rejects(other.run('setState', { id: queued.id, state: 'succeeded' }), { message: /CHECK|never ran/ });
  t.match(await busy.get(queued.id), { state: 'queued' });
});

t.test('an earlier attempt has nothing to say any more', async (t) => {
  const { training, database } = await openTraining(t, { encode: encoding(() => new Promise<never>(() => undefined)) });
  await addCorrections(database, 20);
  const { id } = await training.start({});
  for await (const { event } of training.events(id, 0, new AbortController().signal))
    if (event['state'] === 'running') break;
  const at = new Date().toISOString();
  const stale = { id, attempt: 0, at };
  t.equal(await database.run('noteTrainingRun', { ...stale, events: [{ type: 'late' }] }), false);
  t.equal(await database.run('endTrainingRun', { ...stale, state: 'failed', error: 'late' }), false);
  const lease = { owner: 'late', lease_until: at };
  t.equal(await database.run('crashTrainingRun', { ...stale, reason: 'late', lease }), null);
  t.equal(await database.run('renewTrainingRun', { ...stale, lease }), false);
  t.equal(await database.run('parkTrainingRun', stale), false);
  t.match(await training.get(id), { state: 'running', attempt: 1 });
  const present = { id, attempt: 1, at, state: 'failed' as const, error: 'first' };
  const ends = await Promise.all([1, 2, 3].map(() => database.run('endTrainingRun', present)));
  t.strictSame(ends.filter(Boolean), [true], 'of many ends one counts');
});
