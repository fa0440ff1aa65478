import t from 'tap';
import { openFor } from './fixtures/open.js';
import { prediction, predictions } from './fixtures/prediction.js';

t.test('a stream gives every row once, in order, whatever the size of its chunks', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  const wanted = predictions(0, 250).map(({ pair_id }) => pair_id);
  for (const chunk of [1, 100, 125, 1000]) {
    const read: string[] = [];
    const scan = db.kysely.selectFrom('predictions').select('pair_id').orderBy('seq').stream(chunk);
    for await (const { pair_id } of scan) read.push(pair_id);
    t.same(read, wanted, `chunks of ${chunk}`);
  }
});

t.test('while a stream is open, records go on, lists see them, and the stream does not', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  const count = async () => (await db.kysely.selectFrom('predictions').select('seq').execute()).length;
  let streamed = 0;
  for await (const _ of db.kysely.selectFrom('predictions').select('seq').stream(10)) {
    if (streamed === 0) await db.run('recordPredictions', { rows: [prediction(1000)] });
    if (streamed === 0) t.equal(await count(), 251);
    streamed += 1;
  }
  t.equal(streamed, 250);
});

t.test('a stream that is left early is closed, and one that errs says why', async (t) => {
  const db = await openFor(t);
  await db.run('recordPredictions', { rows: predictions(0, 250) });
  for (let i = 0; i < 50; i++) {
    for await (const _ of db.kysely.selectFrom('predictions').selectAll().stream(10)) break;
  }
  const nonsense = db.kysely
    .selectFrom('nowhere' as 'texts')
    .selectAll()
    .stream();
  await t.rejects(nonsense[Symbol.asyncIterator]().next(), { message: /no such table: nowhere/ });
});
