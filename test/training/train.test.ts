import { existsSync } from 'node:fs';
import t from 'tap';
import { addCorrections, openTraining } from './fixtures/training.js';

t.test('a run goes from the queue to its adapter and its comparison', async (t) => {
  const { training, database, adapters, directory } = await openTraining(t);
  await addCorrections(database, 30);
  const queued = await training.start({ exclude: ['c-000001'] });
  t.match(queued, { state: /queued|running/, started_by: 'request', adapter_id: null, error: null });
  t.strictSame(queued.counts, {
    train: { corrections: 20, confirmations: 3 },
    validation: { corrections: 6, confirmations: 0 },
    used: 20,
    left_out: { excluded: 1 },
  });
  await training.idle();
  const run = await training.get(queued.id);
  t.match(run, {
    state: 'succeeded',
    adapter_id: `adapter-of-${queued.id}`,
    comparison_id: `comparison-of-${queued.id}`,
    attempt: 1,
    error: null,
    progress: { stage: 'comparing', epoch: 2, epochs: 2, step: 6, steps: 6, seconds_left: 0 },
    manifest: { code_version: 'test', seed: 42, left_out: [{ correction_id: 'c-000001', reason: 'excluded' }] },
  });
  t.equal(run?.manifest.corrections.length, 29);
  t.equal(run?.manifest.corrections.filter(({ used }) => used).length, 20);
  t.ok(adapters.get(queued.id));
  t.notOk(existsSync(`${directory}/${queued.id}`), 'saved states of an ended run are forgotten');
});
