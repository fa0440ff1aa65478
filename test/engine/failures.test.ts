/** Children that die, crash or hang: what becomes of their rows. */
import t from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { openEngine } from '../../src/engine/engine.js';
import { randomAdapter } from '../support/adapters.js';
import { TINY, logitsOf } from '../support/checkpoints.js';
import { eventually, isAlive } from '../support/processes.js';
import { generator, tokens } from '../support/random.js';
import { ROW, ROWS, answersWith, busy, open, pidOf, signal } from './fixtures/children.js';

t.test('a child killed in the middle of a batch is replaced and its rows are judged again', async (t) => {
  const { engine, expected } = await open(t);
  const first = pidOf(engine);
  signal(engine, 'SIGSTOP'); // so that the batch is on its way for as long as it takes
  const answer = engine.classify(ROWS);
  t.ok(busy(engine));
  signal(engine, 'SIGKILL');
  await answersWith(t, answer, expected);
  t.not(pidOf(engine), first);
  t.match(engine.status().totals, { restarts: 1, rows: ROWS.length });
  t.ok(engine.status().totals.retries > 0);
});

t.test('a child that crashes in native code costs its batch only, which is judged again', async (t) => {
  const { engine, expected } = await open(t, { children: 2, batchRows: 2, stuckAfterMs: 600_000 });
  const crashes = ['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGABRT'] as const;
  for (const [before, crash] of crashes.entries()) {
    await eventually(() => engine.status().children.every(({ state }) => state === 'idle'));
    const other = pidOf(engine, 1);
    signal(engine, 'SIGSTOP');
    const answers = Array.from({ length: 4 }, () => engine.classify(ROWS));
    await eventually(() => engine.status().queuedPairs === 0);
    signal(engine, crash);
    signal(engine, 'SIGCONT');
    for (const answer of answers) await answersWith(t, answer, expected);
    await eventually(() => engine.status().totals.restarts > before);
    t.equal(engine.status().totals.restarts, before + 1, crash);
    t.equal(pidOf(engine, 1), other, 'the other lives');
  }
  t.ok(engine.status().totals.retries <= 2 * crashes.length, 'no more than a batch each');
});

t.test('while a child hangs the other answers, and its batch is answered when it is replaced', async (t) => {
  const { engine, expected } = await open(t, { children: 2, batchRows: 2, stuckAfterMs: 600_000 });
  signal(engine, 'SIGSTOP', 1);
  let settled = 0;
  const answers = Array.from({ length: 20 }, () => engine.classify(ROWS).finally(() => (settled += 1)));
  await eventually(() => settled >= 18);
  t.match(engine.status().totals, { restarts: 0 }, 'while it hangs');
  signal(engine, 'SIGKILL', 1);
  for (const answer of answers) await answersWith(t, answer, expected);
  const { restarts, retries } = engine.status().totals;
  t.ok(restarts === 1 && retries >= 1 && retries <= 2, `${restarts} restarts, ${retries} rows again`);
});

t.test('when one of two children is killed the other takes over', async (t) => {
  const { engine, expected } = await open(t, { children: 2, batchRows: 1 });
  signal(engine, 'SIGSTOP', 1);
  const answer = engine.classify(ROWS);
  await eventually(() => engine.status().totals.rows === ROWS.length - 1);
  signal(engine, 'SIGKILL', 1);
  await answersWith(t, answer, expected);
  t.match(engine.status().totals, { restarts: 1, retries: 1 });
});

t.test('a child killed while idle is replaced, and the next request is answered', async (t) => {
  const { engine, expected } = await open(t);
  signal(engine, 'SIGKILL');
  await answersWith(t, engine.classify(ROWS), expected);
  await eventually(() => engine.status().totals.restarts === 1);
});

t.test('a child that hangs is killed, replaced and its rows are judged again', async (t) => {
  const { engine, expected } = await open(t, { stuckAfterMs: 5000 });
  const first = pidOf(engine);
  signal(engine, 'SIGSTOP');
  await answersWith(t, engine.classify(ROWS), expected);
  t.notOk(isAlive(first));
  t.ok(engine.status().totals.restarts >= 1);
});

t.test('rows whose child dies twice are given up, and the next are answered', async (t) => {
  const checkpoint = await openCheckpoint(TINY);
  const engine = await openEngine(checkpoint, { children: 1, batchTokens: 16_384 });
  t.teardown(() => engine.close());
  const long = tokens(
    generator(32),
    12_000,
    Array.from({ length: 24 }, () => 400),
  );
  const answer = engine.classify(long).catch((error: unknown) => error);
  for (let death = 1; death <= 2; death++) {
    await eventually(() => busy(engine));
    signal(engine, 'SIGKILL');
    await eventually(() => engine.status().totals.restarts === death);
  }
  t.match(await answer, { name: 'Problem', code: 'unavailable', status: 503, retryAfter: 1 });
  t.equal(engine.status().queuedPairs, 0, 'its other rows do not wait any more');
  t.equal((await engine.classify([Int32Array.of(1, 2)]))[0]?.length, 3);
});

t.test('a replaced child has the adapters of the one before', async (t) => {
  const { engine, checkpoint } = await open(t);
  const adapter = randomAdapter(checkpoint.config, { linears: ['attention.self.value_proj'] });
  await engine.hold(adapter.digest, adapter);
  signal(engine, 'SIGKILL');
  const expected = (await logitsOf(checkpoint, ROWS, [adapter])).flat();
  await answersWith(t, engine.classify(ROWS, { adapter: adapter.digest }), expected);
});

t.test('a wide child that hangs keeps the other from work for a moment only', async (t) => {
  const { engine, expected } = await open(t, { children: 2, stuckAfterMs: 600_000 });
  signal(engine, 'SIGSTOP', 0);
  const stuck = engine.classify([ROW]);
  t.match(engine.status().children, [{ state: 'busy' }, { state: 'idle' }], 'it went to the wide child');
  await answersWith(t, engine.classify(ROWS), expected);
  t.match(engine.status().children, [{ state: 'busy' }]);
  signal(engine, 'SIGCONT', 0);
  await answersWith(t, stuck, expected.slice(0, 3));
  t.match(engine.status().totals, { restarts: 0 });
});

t.test('what shared a batch with a row that kills its child is answered', async (t) => {
  const engine = await openEngine(await openCheckpoint(TINY), { children: 1, batchTokens: 16_384, batchAgeMs: 100 });
  t.teardown(() => engine.close());
  const requests = tokens(generator(33), 12_000, [1000, 1000]).map((row) => engine.classify([row]));
  const outcomes = Promise.allSettled(requests);
  for (let death = 1; death <= 2; death++) {
    await eventually(() => busy(engine));
    signal(engine, 'SIGKILL');
    await eventually(() => engine.status().totals.restarts === death);
  }
  t.strictSame((await outcomes).map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  t.match(engine.status().totals, { retries: 2 });
});

t.test('an adapter that a child cannot have costs no child', async (t) => {
  const { engine, checkpoint, expected } = await open(t, { children: 2 });
  const { config } = await openCheckpoint(TINY);
  const stranger = randomAdapter(config, { linears: ['attention.self.value_proj'] });
  await t.rejects(engine.hold(stranger.digest, stranger), { code: 'unavailable', cause: { message: String } });
  await t.rejects(engine.classify(ROWS, { adapter: stranger.digest }), { code: 'unavailable' });
  await answersWith(t, engine.classify(ROWS), expected);
  t.match(engine.status().totals, { restarts: 0 });
  const adapter = randomAdapter(checkpoint.config, { linears: ['attention.self.value_proj'] });
  await engine.hold(adapter.digest, adapter);
  await engine.classify(ROWS, { adapter: adapter.digest });
});
