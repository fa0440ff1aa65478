/** Adapters that are given to children which die, hang or start meanwhile. */
import t, { type Test } from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { type Engine, type EngineOptions, openEngine } from '../../src/engine/engine.js';
import { Preparing } from '../../src/engine/preparing.js';
import type { Slot } from '../../src/engine/slot.js';
import { difference } from '../support/array.js';
import { randomAdapter } from '../support/adapters.js';
import { goldenFolder, logitsOf } from '../support/checkpoints.js';
import { eventually } from '../support/processes.js';
import { generator, tokens } from '../support/random.js';

const checkpoint = await openCheckpoint(goldenFolder('short-buckets', 'checkpoint'));
const ROWS = tokens(generator(51), 120, [5, 40, 3]);
const adapterOf = (seed: number) =>
  randomAdapter(checkpoint.config, { linears: ['attention.self.value_proj'], rank: 8 * seed, seed });
const [A, B] = [adapterOf(1), adapterOf(2)];

async function open(t: Test, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine(checkpoint, { children: 1, ...options });
  t.teardown(() => engine.close());
  return engine;
}

const pidOf = (engine: Engine, child = 0): number | undefined => engine.status().children[child]!.pid;
const signal = (engine: Engine, name: NodeJS.Signals, child = 0): boolean => process.kill(pidOf(engine, child)!, name);
const allIdle = (engine: Engine): boolean => engine.status().children.every(({ state }) => state === 'idle');

/** Kills a child and stops the next one in its place, which has been told what is held but has not answered. */
async function replacedAndStopped(engine: Engine, child = 0): Promise<void> {
  const before = pidOf(engine, child);
  signal(engine, 'SIGKILL', child);
  await eventually(() => pidOf(engine, child) !== before);
  signal(engine, 'SIGSTOP', child);
}

async function answers(t: Test, engine: Engine, adapter: typeof A, name: string): Promise<void> {
  const got = await engine.classify(ROWS, { adapter: adapter.digest });
  const off = difference(
    got.flatMap((row) => [...(row ?? [])]),
    (await logitsOf(checkpoint, ROWS, [adapter])).flat(),
  );
  t.ok(off < 2e-5, `${name}: ${off}`);
}

t.test('an adapter that is forgotten while a child starts does not keep it from work', async (t) => {
  const engine = await open(t);
  await engine.hold(A.digest, A);
  await engine.hold(B.digest, B);
  await replacedAndStopped(engine);
  engine.forget(A.digest);
  signal(engine, 'SIGCONT');
  await eventually(() => engine.status().ready);
  await answers(t, engine, B, 'the other');
});

t.test('a child that dies before its turn gets the adapter at its start, and is not waited for', async (t) => {
  const engine = await open(t, { children: 2, wideSession: false });
  signal(engine, 'SIGSTOP', 0);
  const held = engine.hold(A.digest, A);
  await replacedAndStopped(engine, 1);
  signal(engine, 'SIGCONT', 0);
  await held;
  await answers(t, engine, A, 'by the one that lived');
  signal(engine, 'SIGCONT', 1);
  await eventually(() => allIdle(engine));
  signal(engine, 'SIGSTOP', 0);
  const stuck = engine.classify(ROWS.slice(0, 1));
  await answers(t, engine, A, 'by the one that came');
  signal(engine, 'SIGCONT', 0);
  await stuck;
});

t.test('what is to be held by the only child when it dies is held by the next', async (t) => {
  const engine = await open(t);
  signal(engine, 'SIGSTOP');
  const held = [engine.hold(A.digest, A), engine.hold(B.digest, B), engine.hold(A.digest, A)];
  await replacedAndStopped(engine);
  signal(engine, 'SIGCONT');
  await Promise.all(held);
  await answers(t, engine, A, 'the first');
  await answers(t, engine, B, 'the second');
  t.match(engine.status().totals, { restarts: 1 });
});

t.test('one that is forgotten before it is loaded is refused, and may be loaded again', async (t) => {
  const engine = await open(t);
  signal(engine, 'SIGSTOP');
  const given = engine.hold(A.digest, A).catch((error: unknown) => error);
  engine.forget(A.digest);
  const again = engine.hold(A.digest, { ...A });
  signal(engine, 'SIGCONT');
  t.match(await given, { code: 'unavailable', cause: { message: /forgotten/ } });
  await again;
  await answers(t, engine, A, 'again');
});

t.test('a child that hangs over an adapter is replaced, and the adapter refused', async (t) => {
  const engine = await open(t, { prepareLimitMs: 3000 });
  signal(engine, 'SIGSTOP');
  await t.rejects(engine.hold(A.digest, A), {
    code: 'unavailable',
    cause: { message: 'the inference child made no adapter ready for 3000 ms' },
  });
  await t.rejects(engine.classify(ROWS, { adapter: A.digest }), { code: 'unavailable' });
  await engine.classify(ROWS);
  t.match(engine.status().totals, { restarts: 1 });
  await engine.hold(A.digest, A);
  await answers(t, engine, A, 'at the next need');
});

t.test('while a child starts the rate is that of the others, while all do what it was', async (t) => {
  const engine = await open(t, { children: 2, wideSession: false });
  const both = engine.status().tokensPerSecond;
  await replacedAndStopped(engine, 0);
  const one = engine.status().tokensPerSecond;
  t.ok(one > 0 && one < both, `${one} < ${both}`);
  await replacedAndStopped(engine, 1);
  t.equal(engine.status().tokensPerSecond, both);
  for (const child of [0, 1]) signal(engine, 'SIGCONT', child);
});

/** A place whose child takes or refuses what it is given. */
function placeOf(state: Slot['state'], held: Promise<void>): { slot: Slot; told: Promise<void>[] } {
  const told: Promise<void>[] = [];
  const child = { connected: true, hold: () => held, forget: () => undefined };
  const tell = (work: Promise<void>): number => told.push(work);
  return { told, slot: { state, child, tell, reserved: false } as unknown as Slot };
}

t.test(
  'a child that starts and refuses what another has is replaced; where all start the adapter is refused',
  async (t) => {
    const refusal = (): Promise<void> => Promise.reject(new Error('no room'));
    const [runs, starts] = [placeOf('idle', Promise.resolve()), placeOf('starting', refusal())];
    const preparing = new Preparing(
      () => [runs.slot, starts.slot],
      () => undefined,
    );
    await preparing.hold(A.digest, A);
    t.ok(preparing.isLoaded(A.digest));
    t.equal(runs.told.length, 0);
    await t.rejects(starts.told[0]!, { message: 'no room' }, 'which ends it');
    const alone = placeOf('starting', refusal());
    const refused = new Preparing(
      () => [alone.slot],
      () => undefined,
    );
    await t.rejects(refused.hold(A.digest, A), { code: 'unavailable', cause: { message: 'no room' } });
    t.notOk(refused.isLoaded(A.digest));
    t.equal(alone.told.length, 0);
  },
);
