/** Children start, are replaced and end with their parent, and leave nothing behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { TINY, randomFiles, readFiles, smallConfig, writeFiles } from '../support/checkpoints.js';
import { eventually, isAlive, ownChildren } from '../support/processes.js';
import { GOLDEN, ROW, ROWS, answersWith, open, pidOf, signal } from './fixtures/children.js';

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
