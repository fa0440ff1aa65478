/** Children that die, hang or cannot come back: what their parent makes of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { type Engine, type EngineOptions, openEngine } from '../../src/engine/engine.js';
import { difference } from '../support/array.js';
import { randomAdapter } from '../support/adapters.js';
import {
  TINY,
  goldenFolder,
  logitsOf,
  randomFiles,
  readFiles,
  smallConfig,
  writeFiles,
} from '../support/checkpoints.js';
import { eventually, isAlive, ownChildren } from '../support/processes.js';
import { generator, tokens } from '../support/random.js';

const GOLDEN = goldenFolder('short-buckets', 'checkpoint');
const ROWS = tokens(generator(31), 120, [5, 40, 3, 17]);
const [ROW] = ROWS as [Int32Array];

interface Opened {
  readonly checkpoint: Checkpoint;
  readonly engine: Engine;
  readonly expected: readonly number[];
}

async function open(t: Test, options: Partial<EngineOptions> = {}, folder = GOLDEN): Promise<Opened> {
  const checkpoint = await openCheckpoint(folder);
  const engine = await openEngine(checkpoint, { children: 1, ...options });
  t.teardown(() => engine.close());
  return { checkpoint, engine, expected: (await logitsOf(checkpoint, ROWS)).flat() };
}

const pidOf = (engine: Engine, child = 0): number => engine.status().children[child]!.pid!;
const signal = (engine: Engine, name: NodeJS.Signals, child = 0): boolean => process.kill(pidOf(engine, child), name);
const busy = (engine: Engine): boolean => engine.status().children.some(({ state }) => state === 'busy');

async function answersWith(
  t: Test,
  answer: Promise<(Float32Array | null)[]>,
  expected: readonly number[],
): Promise<void> {
  const off = difference(
    (await answer).flatMap((row) => [...(row ?? [])]),
    expected,
  );
  t.ok(off < 2e-5, `right answers: ${off}`);
}

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

t.test('what waits is dropped when its client goes, what runs is not disturbed', async (t) => {
  const { engine, expected } = await open(t, { batchRows: 4 });
  signal(engine, 'SIGSTOP');
  const running = engine.classify(ROWS.toSorted((a, b) => a.length - b.length).slice(0, 1));
  const stays = engine.classify(ROWS);
  const client = new AbortController();
  const leaves = engine.classify(ROWS, { signal: client.signal }).catch((error: unknown) => error);
  t.equal(engine.status().queuedPairs, 2 * ROWS.length);
  client.abort(new Error('gone'));
  t.match(await leaves, { message: 'gone' });
  t.equal(engine.status().queuedPairs, ROWS.length);
  signal(engine, 'SIGCONT');
  await answersWith(t, stays, expected);
  await running;
  t.equal(engine.status().totals.rows, ROWS.length + 1);
});

t.test('a client that leaves while its rows are judged gets its reason; one that had left is not let in', async (t) => {
  const { engine, expected } = await open(t);
  signal(engine, 'SIGSTOP');
  const client = new AbortController();
  const leaves = engine.classify([ROW], { signal: client.signal }).catch((error: unknown) => error);
  client.abort(new Error('gone'));
  t.match(await leaves, { message: 'gone' });
  await t.rejects(engine.classify([ROW], { signal: client.signal }), { message: 'gone' });
  signal(engine, 'SIGCONT');
  await answersWith(t, engine.classify(ROWS), expected);
});

t.test('a request past its deadline is told, and does not wait any more', async (t) => {
  const { engine } = await open(t);
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const late = engine.classify(ROWS, { deadline: performance.now() + 20 });
  await t.rejects(late, { code: 'deadline', status: 503 });
  t.equal(engine.status().queuedPairs, 0);
  signal(engine, 'SIGCONT');
  await running;
});

t.test('what is past its deadline when its child comes back is not judged', async (t) => {
  const { engine } = await open(t);
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const late = engine.classify(ROWS, { deadline: performance.now() + 30 });
  const told = t.rejects(late, { code: 'deadline' });
  signal(engine, 'SIGCONT');
  const until = performance.now() + 60;
  while (performance.now() < until); // nothing of this process runs, its timers neither
  await running;
  await told;
  t.match(engine.status().totals, { rows: 1 });
});

t.test('work is refused that cannot be done in time, as soon as something waits', async (t) => {
  const { engine, expected } = await open(t, { queueTokens: 1e9 });
  const { tokensPerSecond } = engine.status();
  t.ok(tokensPerSecond > 0, 'measured at the start');
  const work = { pairs: 1, tokens: Math.ceil(tokensPerSecond), deadline: performance.now() + 500 };
  t.doesNotThrow(() => engine.reserve(work)(), 'nothing waits');
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const waiting = engine.classify(ROWS);
  t.throws(() => engine.reserve(work), { code: 'queue-full', retryAfter: Number });
  t.doesNotThrow(() => engine.reserve({ ...work, deadline: performance.now() + 60_000 })(), 'later would do');
  await new Promise((resolve) => setTimeout(resolve, 300));
  signal(engine, 'SIGCONT');
  await answersWith(t, waiting, expected);
  await running;
  t.ok(engine.status().tokensPerSecond < tokensPerSecond, 'what took long is remembered');
  await engine.close();
  t.throws(() => engine.reserve(work), { code: 'unavailable' });
});

t.test('a full queue refuses at once and keeps what it has', async (t) => {
  const { engine, expected } = await open(t, { queuePairs: ROWS.length });
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const waiting = engine.classify(ROWS);
  let refused: unknown;
  void engine.classify([ROW]).catch((error: unknown) => (refused = error));
  await turn();
  t.match(refused, { code: 'queue-full', status: 429 }, 'while the child still stands');
  signal(engine, 'SIGCONT');
  await answersWith(t, waiting, expected);
  await running;
});

t.test('rows take the room that was kept for them', async (t) => {
  const { engine, expected } = await open(t, { queuePairs: ROWS.length });
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const work = { pairs: ROWS.length, tokens: 1, deadline: performance.now() + 60_000 };
  const reserved = engine.reserve(work);
  await t.rejects(engine.classify([ROW]), { code: 'queue-full' });
  const waiting = engine.classify(ROWS, { reserved });
  await turn();
  t.equal(engine.status().queuedPairs, ROWS.length);
  reserved();
  signal(engine, 'SIGCONT');
  await answersWith(t, waiting, expected);
  await running;
});

t.test('closing while busy settles everything and leaves no process', async (t) => {
  const { engine } = await open(t, { children: 2 });
  const pids = [pidOf(engine, 0), pidOf(engine, 1)];
  for (const child of [0, 1]) signal(engine, 'SIGSTOP', child);
  const requests = Array.from({ length: 20 }, () => engine.classify(ROWS).catch((error: unknown) => error));
  await engine.close();
  for (const outcome of await Promise.all(requests)) t.match(outcome, { code: 'unavailable' });
  await t.rejects(engine.classify([ROW]), { code: 'unavailable' });
  t.strictSame(pids.map(isAlive), [false, false]);
  await eventually(() => ownChildren() === 0);
  await engine.close();
});

t.test('closing while a child is about to be replaced leaves no process and no timer', async (t) => {
  const folder = await writeFiles(t.testdir(), readFiles(GOLDEN));
  const { engine } = await open(t, {}, folder);
  renameSync(path.join(folder, 'model.safetensors'), path.join(folder, 'away'));
  signal(engine, 'SIGKILL');
  await eventually(() => engine.status().totals.restarts === 2); // the replacement died too; the next waits
  await engine.close();
  t.notOk(process.getActiveResourcesInfo().includes('Timeout'), 'no timer is left');
  await eventually(() => ownChildren() === 0);
});

t.test('when no child can start, what waits is told; when one can again, requests are answered', async (t) => {
  const folder = await writeFiles(t.testdir(), readFiles(GOLDEN));
  const { engine, expected } = await open(t, {}, folder);
  const [weights, away] = ['model.safetensors', 'away'].map((name) => path.join(folder, name)) as [string, string];
  renameSync(weights, away);
  signal(engine, 'SIGKILL');
  await t.rejects(engine.classify(ROWS), { code: 'unavailable' });
  t.notOk(engine.status().ready);
  await t.rejects(engine.classify([ROW]), { code: 'unavailable' }, 'at once');
  renameSync(away, weights);
  await eventually(() => engine.status().ready);
  await answersWith(t, engine.classify(ROWS), expected);
});

for (const [how, name] of [
  ['at once', 'no\0name'],
  ['later', path.resolve('no-such-program')],
] as const)
  t.test(`a system that refuses another process ${how} does not end this one`, async (t) => {
    const { engine, expected } = await open(t);
    const { execPath } = process;
    process.execPath = name;
    t.teardown(() => (process.execPath = execPath));
    signal(engine, 'SIGKILL');
    await eventually(() => engine.status().totals.restarts >= 2);
    process.execPath = execPath;
    await answersWith(t, engine.classify(ROWS), expected);
  });

t.test('no child answers from weights that changed since the start', async (t) => {
  const folder = await writeFiles(t.testdir(), readFiles(GOLDEN));
  const { engine } = await open(t, {}, folder);
  await writeFiles(folder, randomFiles(smallConfig()));
  signal(engine, 'SIGKILL');
  const refused = await engine.classify(ROWS).catch((error: unknown) => error);
  t.match(refused, { code: 'unavailable', cause: { message: /model\.safetensors has changed since/ } });
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

t.test('a signal to the whole group leaves the children to their parent', async (t) => {
  const { engine, expected } = await open(t);
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) signal(engine, name);
  await answersWith(t, engine.classify(ROWS), expected);
  t.match(engine.status().totals, { restarts: 0 });
});

interface Told {
  readonly nice: number;
  readonly children: { readonly pid: number; readonly nice: number }[];
}

const PARENT = fileURLToPath(new URL('../support/engine-parent.js', import.meta.url));

async function started(t: Test, command: string, ...args: string[]): Promise<{ parent: ChildProcess; told: Told }> {
  const parent = spawn(command, [...args, PARENT, TINY], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  return { parent, told: JSON.parse(line.toString()) as Told };
}

t.test('children end when their parent is killed, busy as they are', async (t) => {
  const { parent, told } = await started(t, process.execPath);
  t.strictSame(
    told.children.map(({ pid }) => isAlive(pid)),
    [true, true],
  );
  parent.kill('SIGKILL');
  await eventually(() => told.children.every(({ pid }) => !isAlive(pid)));
});

const NICEST = 19;

t.test('children of a nice parent start, and are nicer', async (t) => {
  const { told } = await started(t, 'nice', '-n', '12', process.execPath);
  t.ok(told.nice >= 12);
  for (const { nice } of told.children) t.ok(nice > told.nice || nice === NICEST, `${nice} > ${told.nice}`);
});
