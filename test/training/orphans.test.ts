/** A service that is killed outright leaves no process: its children end within seconds, whatever they are doing. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { startServer } from '../storage/fixtures/server.js';
import { ask } from '../storage/fixtures/writes.js';
import { isAlive } from '../support/processes.js';

const BUSY = fileURLToPath(new URL('./fixtures/busy-child.js', import.meta.url));
/** Looks for the parent come every half second; a busy machine is late. */
const ENDED_WITHIN_MS = 10_000;

interface Process {
  readonly pid: number;
  readonly program: string;
}

/** All processes under `pid`, with their programs. */
function descendants(pid: number): Process[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
  return children.flatMap((child) => [{ pid: child, program: programOf(child) }, ...descendants(child)]);
}

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};
const parentOf = (pid: string): number => Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]);
const programOf = (pid: number): string => /[^/\0]+\/[^/\0]+(?=\.js)/.exec(read(`/proc/${pid}/cmdline`))?.[0] ?? '';

/** Those that are there when they should have ended. */
async function left(pids: readonly number[]): Promise<number[]> {
  for (const end = performance.now() + ENDED_WITHIN_MS; performance.now() < end; await sleep(20))
    if (!pids.some(isAlive)) return [];
  return pids.filter(isAlive);
}

const noProc = process.platform !== 'linux' && 'no /proc';
t.setTimeout(120_000);

t.test('killed while it judges and trains, no process is left of it', { skip: noProc }, async (t) => {
  const env = { ERRATA_TRAINING_CHILDREN: '2', ERRATA_INFERENCE_CHILDREN: '2' };
  const { url, pid, end } = await startServer(t, { dataDir: t.testdir(), env });
  const corrections = Array.from({ length: 60 }, (_, i) => ({
    premise: `Trial ${i}. ${'It helped some of the patients. '.repeat(40)}`,
    nli_hypothesis: 'It harms.',
    original_label: 'supports',
    original_confidence: 0.95,
    correct_label: 'refutes',
    reviewer: 'ada',
    page_id: `p${i}`,
  }));
  t.equal((await ask(`${url}/corrections`, { corrections })).status, 200);
  const { body } = await ask(`${url}/training-runs`, { force: true, parameters: { epochs: 100 } });
  const run = `${url}/training-runs/${(body as { id: string }).id}`;
  const now = async () => (await ask(run)).body as { state: string; progress: { step: number } | null };
  let told = await now();
  for (; (told.progress?.step ?? 0) === 0 && told.state !== 'failed'; told = await now()) await sleep(50);
  t.match(told, { state: 'running' });
  const pairs = corrections.map(({ premise, nli_hypothesis }, i) => ({ pair_id: `c${i}`, premise, nli_hypothesis }));
  const judged = ask(`${url}/nli`, { pairs }).catch(() => undefined);
  const children = descendants(pid);
  const programs = children.map(({ program }) => program).toSorted();
  const inference = ['engine/child', 'engine/child'];
  t.strictSame(programs, [...inference, 'training/child', 'training/gradient-child', 'training/gradient-child']);
  await end('SIGKILL');
  await judged;
  t.strictSame(await left(children.map((child) => child.pid)), []);
});

t.test('a child whose thread is busy, and hears nothing, ends with its parent too', { skip: noProc }, async (t) => {
  const parent = fork(BUSY, ['parent'], { execArgv: [] });
  const [pid] = (await once(parent, 'message')) as [number];
  t.teardown(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  t.ok(isAlive(pid));
  parent.kill('SIGKILL');
  t.strictSame(await left([pid]), []);
});
