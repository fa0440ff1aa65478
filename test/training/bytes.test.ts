import t from 'tap';
import { eventOf, gone, pidsOf, type Setup, trained } from './fixtures/training.js';

const setup: Setup = { recipe: { epochs: 10 } };
const once = trained(t, setup);

t.test('two gradient children make the same bytes as one', async (t) => {
  const { adapter, events } = await trained(t, { ...setup, children: 2 });
  t.match(events.find(({ type }) => type === 'started')?.['pids'], [Number, Number, Number]);
  t.ok(adapter);
  t.equal(adapter, (await once).adapter);
});

for (const [index, victim] of ['the child of the run', 'a gradient child'].entries())
  t.test(`when ${victim} is killed, the run goes on from its last epoch to the same bytes`, async (t) => {
    const { adapter, run } = await trained(t, setup, async (training, id) => {
      const pids = await pidsOf(training, id);
      await eventOf(training, id, ({ type, epoch }) => type === 'epoch' && epoch === 1);
      process.kill(pids[index] as number, 'SIGKILL');
      await gone(pids);
      const again = await eventOf(training, id, ({ type, epoch }) => type === 'started' && epoch !== 0);
      t.ok(Number(again['epoch']) < 10);
    });
    t.match(run, { state: 'succeeded', attempt: 2 });
    t.equal(adapter, (await once).adapter);
  });

t.test('another seed makes other bytes', async (t) => {
  const { adapter } = await trained(t, { recipe: { epochs: 10, seed: 43 } });
  t.ok(adapter);
  t.not(adapter, (await once).adapter);
});
