import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import type { NoteRunInput } from '../../src/db/training-run-acts.js';
import { Problem, type ProblemCode } from '../../src/errors.js';
import {
  addCorrections,
  encodeAll,
  encoding,
  eventOf,
  eventsOf,
  gone,
  homeFor,
  MODEL,
  openTraining,
  openTrainingDatabase,
  pidsOf,
  type Setup,
  trained,
  type TrainingDatabase,
} from './fixtures/training.js';

t.setTimeout(300_000);

const HALF_NAN = 0x7e00;
const fail = (message: string) => async () => Promise.reject(new Error(message));

const FAILURES: readonly [what: string, setup: Setup, error: RegExp][] = [
  ['no tokenizer', { encode: encoding(fail('no tokenizer')) }, /^no tokenizer$/],
  ['a full disk when the adapter is kept', { keepAdapter: fail('ENOSPC: no space left') }, /^ENOSPC: no space left$/],
  ['no comparison', { compare: fail('cannot compare') }, /^cannot compare$/],
];

for (const [what, setup, error] of FAILURES)
  t.test(`${what} fails the run, once, with the reason`, async (t) => {
    const { run, events } = await trained(t, setup);
    t.match(run, { state: 'failed', error, attempt: 1, ended_at: String });
    t.match(events.at(-1), { type: 'state', state: 'failed', error });
  });

/** The bundled model with a bias of its head that is no number. */
async function brokenModel(t: Test): Promise<Checkpoint> {
  const folder = path.join(homeFor(t), 'model');
  cpSync(MODEL, folder, { recursive: true });
  const { weights } = await openCheckpoint(folder);
  const file = path.join(folder, 'model.safetensors');
  const bytes = readFileSync(file);
  bytes.writeUInt16LE(HALF_NAN, weights.get('classifier.bias')?.offset);
  writeFileSync(file, bytes);
  return await openCheckpoint(folder);
}

t.test('a loss that is not finite fails the run at that step', async (t) => {
  const { run } = await trained(t, { checkpoint: await brokenModel(t) });
  t.match(run, { state: 'failed', error: /^the loss is not finite at step 1 of 6 \(learning rate/, attempt: 1 });
});

t.test('states that cannot be saved fail the run', async (t) => {
  const home = homeFor(t);
  writeFileSync(path.join(home, 'a-file'), '');
  const { run } = await trained(t, { home, directory: path.join(home, 'a-file', 'runs') });
  t.match(run, { state: 'failed', error: /ENOTDIR/ });
});

t.test('signals to the whole group leave the children to their parent', async (t) => {
  const { run } = await trained(t, { children: 2, recipe: { epochs: 40 } }, async (training, id) => {
    const pids = await pidsOf(training, id);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) for (const pid of pids) process.kill(pid, name);
  });
  t.match(run, { state: 'succeeded', attempt: 1 });
});

t.test('a state that cannot be saved breaks the attempt, and another goes on', async (t) => {
  const home = homeFor(t);
  const { run, events } = await trained(t, { home }, async (training, id) => {
    await eventOf(training, id, ({ stage }) => stage === 'training');
    rmSync(path.join(home, 'runs', id), { recursive: true });
  });
  t.match(run, { state: 'succeeded', attempt: 2 });
  const interrupted = events.filter(({ type }) => type === 'interrupted');
  t.match(interrupted, [{ attempt: 1, reason: /ENOENT/ }]);
});

/** Rejects with the problem so many times, and goes on then. */
function refusing<A extends unknown[], R>(times: number, code: ProblemCode, act: (...args: A) => Promise<R>) {
  let refusals = 0;
  return async (...args: A): Promise<R> => {
    if (++refusals <= times) throw new Problem(code, 'not now');
    return await act(...args);
  };
}

t.test('a line of comparisons that is full is waited for', async (t) => {
  const compare = refusing(2, 'queue-full', async () => ({ id: 'comparison' }));
  const { run } = await trained(t, { compare });
  t.match(run, { state: 'succeeded', attempt: 1, comparison_id: 'comparison' });
});

t.test('a tokenizer that is not there for a moment breaks the attempt, and another goes on', async (t) => {
  const { run } = await trained(t, { encode: encoding(refusing(1, 'unavailable', encodeAll)) });
  t.match(run, { state: 'succeeded', attempt: 2 });
});

t.test('closing does not wait for the next attempt', async (t) => {
  const day = 86_400_000;
  const encodeNever = encoding(refusing(Infinity, 'unavailable', encodeAll));
  const { training, database } = await openTraining(t, { encode: encodeNever, retryAfterMs: day, leaseMs: 3 * day });
  await addCorrections(database, 30);
  const { id } = await training.start({});
  await eventOf(training, id, ({ type }) => type === 'interrupted');
  await training.close();
  t.match(await training.get(id), { state: 'queued', attempt: 2 });
});

t.test('what could not be stored is told again: no step and no state is lost', async (t) => {
  const home = homeFor(t);
  const database = await openTrainingDatabase(home);
  let refusals = 0;
  const run: TrainingDatabase['run'] = async (name, input) => {
    const steps = name === 'noteTrainingRun' && (input as NoteRunInput).events.some(({ type }) => type === 'step');
    if (steps && ++refusals <= 2) throw new Problem('storage-failed', 'not now');
    return await database.run(name, input);
  };
  const failing = { kysely: database.kysely, run, close: () => database.close() } as unknown as TrainingDatabase;
  const { run: ended, events } = await trained(t, { home, database: failing, recipe: { epochs: 40 } });
  t.ok(refusals > 2);
  t.match(ended, { state: 'succeeded', attempt: 1 });
  const numbers = (type: string, field: string) => events.filter((one) => one.type === type).map((one) => one[field]);
  const upTo = (last: number) => Array.from({ length: last }, (_, i) => i + 1);
  t.strictSame(numbers('epoch', 'epoch'), upTo(40));
  t.strictSame(numbers('step', 'step'), upTo(120));
});

/** Enough that no epoch ends while a test looks. */
const MANY = 1500;

t.test('poison: three attempts in a row that die without an epoch of progress end the run', async (t) => {
  const { training, database } = await openTraining(t);
  await addCorrections(database, MANY);
  const { id } = await training.start({});
  for (const attempt of [1, 2, 3]) process.kill((await pidsOf(training, id, attempt))[0] as number, 'SIGKILL');
  await training.idle();
  const error = /training child ended \(SIGKILL\); given up: 3 attempts in a row died without an epoch of progress$/;
  t.match(await training.get(id), { state: 'failed', attempt: 3, error });
  const events = await eventsOf(training, id);
  t.equal(events.filter(({ type }) => type === 'interrupted').length, 3);
  t.equal(events.filter(({ state }) => state === 'failed').length, 1);
});

t.test('not poison: a run that ends an epoch between its deaths goes on, however often it dies', async (t) => {
  const epochs = 60;
  const { run, events } = await trained(t, { recipe: { epochs } }, async (training, id) => {
    for (const attempt of [1, 2, 3, 4]) {
      const [child = 0] = await pidsOf(training, id, attempt);
      let first: unknown;
      await eventOf(training, id, ({ type, attempt: begun, state }) => {
        if (state === 'running') first = begun;
        return type === 'epoch' && first === attempt;
      });
      process.kill(child, 'SIGKILL');
    }
  });
  t.match(run, { state: 'succeeded', attempt: 5 });
  const starts = events.filter(({ type }) => type === 'started').map(({ epoch }) => epoch as number);
  t.equal(starts.length, 5);
  t.ok(
    starts.every((epoch, i) => i === 0 || epoch > starts[i - 1]!),
    `each attempt begins later: ${starts.join()}`,
  );
});

/** It counts from the fork: longer than a child takes to begin on a busy machine. */
const SILENT_MS = 12_000;

t.test('a child that gives no sign of life is stuck: it is killed, and another goes on', async (t) => {
  const { training, database } = await openTraining(t, { silentAfterMs: SILENT_MS });
  await addCorrections(database, 300);
  const { id } = await training.start({});
  const [child = 0] = await pidsOf(training, id);
  process.kill(child, 'SIGSTOP');
  await gone([child]);
  await training.idle();
  t.match(await training.get(id), { state: 'succeeded', attempt: 2 });
  const reason = `the training child ended (no sign of life for ${SILENT_MS / 1000} s)`;
  t.match(
    (await eventsOf(training, id)).filter(({ type }) => type === 'interrupted'),
    [{ reason }],
  );
});
