import { existsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { Training } from '../../src/train.js';
import { addCorrections, eventOf, eventsOf, gone, homeFor, openTraining, type Setup } from './fixtures/training.js';

/** A run over 30 corrections, to its end. */
async function trained(t: Test, setup: Setup = {}, during?: (training: Training, run: string) => Promise<unknown>) {
  const { training, database, adapters } = await openTraining(t, setup);
  await addCorrections(database, 30);
  const { id } = await training.start({});
  await during?.(training, id);
  await training.idle();
  return { run: await training.get(id), adapter: adapters.get(id), events: await eventsOf(training, id), training };
}

const pidsOf = async (training: Training, run: string, attempt = 1): Promise<number[]> => {
  let started = 0;
  const event = await eventOf(training, run, ({ type }) => type === 'started' && ++started === attempt);
  return event['pids'] as number[];
};

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
      ...['step 1', 'step 2', 'step 3', 'epoch 1', 'step 4', 'step 5', 'step 6', 'epoch 2'],
      'stage registering',
      'adapter',
      'stage comparing',
      'comparison',
      'state succeeded',
    ],
  );
});

t.test('same data, parameters and seed: the same bytes, with one child or two, whatever dies on the way', async (t) => {
  const epochs = { recipe: { epochs: 12 } };
  const { adapter: alone } = await trained(t, epochs);
  t.ok(alone);
  const { adapter: pair, events } = await trained(t, { ...epochs, children: 2 });
  t.equal((events.find(({ type }) => type === 'started')?.['pids'] as number[]).length, 3);
  t.equal(pair, alone, 'two gradient children');
  for (const [victim, index] of [
    ['the child of the run', 0],
    ['a gradient child', 1],
  ] as const) {
    const { adapter, run } = await trained(t, epochs, async (training, id) => {
      const pids = await pidsOf(training, id);
      await eventOf(training, id, ({ type, epoch }) => type === 'epoch' && epoch === 1);
      process.kill(pids[index]!, 'SIGKILL');
      await gone(pids);
      const again = await eventOf(training, id, ({ type, epoch }) => type === 'started' && epoch !== 0);
      t.ok(Number(again['epoch']) < 12, 'goes on after the epochs that were done');
    });
    t.match(run, { state: 'succeeded', attempt: 2 }, victim);
    t.equal(adapter, alone, `killed: ${victim}`);
  }
  const other = await trained(t, { recipe: { epochs: 12, seed: 43 } });
  t.not(other.adapter, alone, 'another seed');
});

t.test('the children have the lowest priority', async (t) => {
  await trained(t, {}, async (training, id) => {
    for (const pid of await pidsOf(training, id)) t.equal(os.getPriority(pid), os.constants.priority.PRIORITY_LOW);
  });
});

t.test('replay adds as many confirmations as there are corrections, or all there are', async (t) => {
  const { run } = await trained(t, { recipe: { replay: 'confirmations', epochs: 1 } });
  t.match(run?.counts, { train: { corrections: 21, confirmations: 3 }, used: 24 });
});

t.test('a run that is cancelled stays cancelled', async (t) => {
  t.test('while it runs: its children end', async (t) => {
    let pids: number[] = [];
    const { run, adapter, training, events } = await trained(t, { recipe: { epochs: 100 } }, async (live, id) => {
      pids = await pidsOf(live, id);
      await eventOf(live, id, ({ type }) => type === 'step');
      t.match(await live.cancel(id), { state: 'cancelled' });
      await gone(pids);
    });
    t.equal(pids.length, 2);
    t.match(run, { state: 'cancelled', adapter_id: null, ended_at: String });
    t.equal(adapter, undefined);
    t.ok(events.filter(({ type }) => type === 'step').length < 300);
    t.match(await training.cancel(run?.id as string), { state: 'cancelled' }, 'twice is once');
  });
  t.test('while its adapter is kept', async (t) => {
    let cancelled = false;
    const { run } = await trained(
      t,
      { keepAdapter: async () => ({ id: String(await until(() => cancelled)) }) },
      async (live, id) => {
        await eventOf(live, id, ({ stage }) => stage === 'registering');
        await live.cancel(id);
        cancelled = true;
      },
    );
    t.match(run, { state: 'cancelled', adapter_id: null });
  });
  t.test('while it is compared', async (t) => {
    const never = new Promise(() => undefined);
    const { run } = await trained(t, { compared: () => never }, async (live, id) => {
      await eventOf(live, id, ({ type }) => type === 'comparison');
      await live.cancel(id);
    });
    t.match(run, { state: 'cancelled', comparison_id: String });
  });
  t.test('in the queue', async (t) => {
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
});

const until = async (passes: () => boolean): Promise<void> => {
  while (!passes()) await new Promise((resolve) => setTimeout(resolve, 10));
};

t.test('a run that cannot succeed fails with the reason', async (t) => {
  const table: [name: string, setup: Setup, error: RegExp][] = [
    [
      'a loss that is not finite',
      { recipe: { learning_rate: 1, max_grad_norm: 0, lora_alpha: 1024, epochs: 40 } },
      /not finite at step \d+ of 120 \(learning rate/,
    ],
    ['no tokenizer', { encode: async () => Promise.reject(new Error('no tokenizer')) }, /^no tokenizer$/],
    [
      'no adapter store',
      { keepAdapter: async () => Promise.reject(new Error('ENOSPC: no space left on device')) },
      /^ENOSPC/,
    ],
    ['no comparison', { compare: async () => Promise.reject(new Error('cannot compare')) }, /^cannot compare$/],
  ];
  for (const [name, setup, error] of table) {
    const { run } = await trained(t, setup);
    t.match(run, { state: 'failed', error, attempt: 1, ended_at: String }, name);
  }
});

t.test('states that cannot be saved fail the run', async (t) => {
  const home = homeFor(t);
  writeFileSync(path.join(home, 'a-file'), '');
  const { run } = await trained(t, { home, directory: path.join(home, 'a-file', 'runs') });
  t.match(run, { state: 'failed', error: /ENOTDIR/ });
});

t.test('a run whose child always dies is given up after three attempts', async (t) => {
  const { run, events } = await trained(t, { recipe: { epochs: 100 } }, async (training, id) => {
    for (const attempt of [1, 2, 3]) process.kill((await pidsOf(training, id, attempt))[0]!, 'SIGKILL');
  });
  t.match(run, { state: 'failed', attempt: 3, error: /training child ended \(SIGKILL\); given up after 3 attempts/ });
  t.equal(events.filter(({ type }) => type === 'interrupted').length, 3);
});
