import t from 'tap';
import { homeWithCorrections, kill, recipe, startService } from './fixtures/processes.js';
import { eventOf, gone, openTraining, pidsOf, trained } from './fixtures/training.js';

t.test('a run that kills its service three times is given up, and the next one is not', async (t) => {
  const home = await homeWithCorrections(t);
  for (const attempt of [1, 2, 3]) {
    const service = startService(home, 'preparing');
    await service.reached(`preparing ${attempt}`);
    await kill(service);
  }
  const { training } = await openTraining(t, { home, recipe: { epochs: 1 } });
  await training.idle();
  t.match(await training.get('run'), {
    state: 'failed',
    attempt: 3,
    error:
      /^the service ended during the run, or hung; given up: 3 attempts in a row died without an epoch of progress$/,
  });
  const { id } = await training.start({});
  await training.idle();
  t.match(await training.get(id), { state: 'succeeded' });
});

t.test('a service that closes puts its run back, and the next start goes on to the same bytes', async (t) => {
  const home = await homeWithCorrections(t);
  const first = await openTraining(t, { home, recipe });
  const { id } = await first.training.start({});
  const pids = await pidsOf(first.training, id);
  await eventOf(first.training, id, ({ type, epoch }) => type === 'epoch' && epoch === 1);
  await first.training.close();
  await gone(pids);
  t.match(await first.training.get(id), { state: 'queued', ended_at: null });
  await first.database.close();
  const { training, adapters } = await openTraining(t, { home, recipe });
  await training.idle();
  t.match(await training.get(id), { state: 'succeeded' });
  t.equal(adapters.get(id), (await trained(t, { recipe })).adapter);
});

t.test('a run of another base model cannot go on', async (t) => {
  const home = await homeWithCorrections(t);
  const service = startService(home, 'preparing');
  await service.reached('preparing');
  await kill(service);
  const { checkpoint } = await openTraining(t);
  const { training } = await openTraining(t, { home, checkpoint: { ...checkpoint, digest: 'another' } });
  await training.idle();
  t.match(await training.get('run'), { state: 'failed', error: /started with another base model/ });
});
