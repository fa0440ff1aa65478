import { existsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { addCorrections, encoding, eventsOf, openTraining, pidsOf, trained } from './fixtures/training.js';

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
  t.notOk(existsSync(path.join(directory, queued.id)), 'saved states of an ended run are forgotten');
  const events = await eventsOf(training, queued.id);
  t.strictSame(
    events.map(({ type, state, stage, epoch, step }) => [type, state ?? stage ?? step ?? epoch].join(' ').trim()),
    [
      'state queued',
      'state running',
      'stage preparing',
      'stage training',
      'started 0',
      'step 1',
      'step 2',
      'step 3',
      'epoch 1',
      'step 4',
      'step 5',
      'step 6',
      'epoch 2',
      'stage registering',
      'adapter',
      'stage comparing',
      'comparison',
      'state succeeded',
    ],
  );
});

t.test('the children have the lowest priority', async (t) => {
  await trained(t, { recipe: { epochs: 20 } }, async (training, id) => {
    for (const pid of await pidsOf(training, id)) t.equal(os.getPriority(pid), os.constants.priority.PRIORITY_LOW);
  });
});

t.test('replay learns from as many confirmations as there are, at most one for each correction', async (t) => {
  const { run } = await trained(t, { recipe: { replay: 'confirmations', epochs: 1 } });
  t.match(run?.counts, { train: { corrections: 21, confirmations: 3 }, used: 24 });
});

t.test('a pair that is too long to encode is left out, and told', async (t) => {
  const encode = async (pairs: readonly unknown[]) =>
    pairs.map((_, i) =>
      i === 0
        ? { code: 'hypothesis-too-long' as const, detail: 'too long' }
        : { ids: Int32Array.of(1, 5 + i, 2, 7 + i, 2), truncated: false },
    );
  const { run, events } = await trained(t, { encode: encoding(encode), recipe: { epochs: 1 } });
  t.match(run, { state: 'succeeded' });
  t.strictSame(
    events.filter(({ type }) => type === 'left_out'),
    [{ type: 'left_out', correction_id: 'c-000001', reason: 'hypothesis-too-long' }],
  );
});

t.test('a run asked for in vain', async (t) => {
  const { training, database } = await openTraining(t, { recipe: { min_corrections: 10 } });
  await addCorrections(database, 6);
  await t.rejects(training.start({}), {
    code: 'conflict',
    message: '6 corrections are usable and 10 are needed: "force": true trains on fewer',
  });
  await t.rejects(training.start({ force: true, exclude: [1, 2, 3, 4].map((n) => `c-00000${n}`) }), {
    code: 'conflict',
    message: /none of 2 usable corrections is on the training side/,
  });
  await t.rejects(training.start({ parameters: { epochs: 101 } }), {
    code: 'invalid-request',
    errors: [{ pointer: '/parameters/epochs', detail: 'must be an integer from 1 to 100' }],
  });
  await t.rejects(training.start({ parameters: { layers_to_transform: [1, 4] } }), {
    code: 'invalid-request',
    errors: [{ pointer: '/parameters/layers_to_transform', detail: /^must be below 4/ }],
  });
  await t.rejects(training.start({ parameters: { max_tokens: 513 } }), {
    code: 'invalid-request',
    errors: [{ pointer: '/parameters/max_tokens', detail: /^must be at most 512 \(ERRATA_MAX_TOKENS\)/ }],
  });
  t.strictSame((await training.list({ limit: 10 })).items, []);
  const { id } = await training.start({ force: true });
  await training.idle();
  t.match(await training.get(id), { state: 'succeeded', counts: { used: 4 } });
});
