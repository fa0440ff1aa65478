/** The service is killed outright: its children end within seconds, also those whose own thread is inside a long step. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startServer } from '../storage/fixtures/server.js';
import { ask } from '../storage/fixtures/writes.js';
import { isAlive } from '../support/processes.js';

const TOKENS = 2048;
/** A step over such rows takes far longer than a child may live. */
const LONG = '1 2 3 4 5 6 7 8 9 0 '.repeat(220);
const ENDED_WITHIN_MS = 4000;

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

const noProc = process.platform !== 'linux' && 'no /proc';

t.setTimeout(240_000);

t.test('killed while it judges and trains, it leaves no process', { skip: noProc }, async (t) => {
  const env = { ERRATA_MAX_TOKENS: String(TOKENS), ERRATA_BATCH_TOKENS: '65536', ERRATA_TRAINING_CHILDREN: '2' };
  const { url, pid, end } = await startServer(t, { dataDir: t.testdir(), env });
  const corrections = Array.from({ length: 12 }, (_, i) => ({
    premise: `Trial ${i}. ${LONG}`,
    nli_hypothesis: 'It harms.',
    original_label: 'supports',
    original_confidence: 0.95,
    correct_label: 'refutes',
    reviewer: 'ada',
    page_id: `p${i}`,
  }));
  t.equal((await ask(`${url}/corrections`, { corrections })).status, 200);
  const parameters = { max_tokens: TOKENS, batch_size: 8 };
  const { body } = await ask(`${url}/training-runs`, { force: true, parameters });
  const run = `${url}/training-runs/${(body as { id: string }).id}`;
  const now = async () => (await ask(run)).body as { state: string; progress: { stage: string } | null };
  let told = await now();
  for (; told.progress?.stage !== 'training' && told.state !== 'failed'; told = await now()) await sleep(50);
  t.match(told, { state: 'running' });
  const pairs = Array.from({ length: 16 }, (_, i) => ({
    pair_id: `c${i}`,
    premise: LONG,
    nli_hypothesis: 'It helps.',
  }));
  const judged = ask(`${url}/nli`, { pairs }).catch(() => undefined);
  // Into their steps: the graphs of the gradient children are open by now.
  await sleep(3000);
  const children = descendants(pid);
  const programs = new Set(children.map(({ program }) => program));
  for (const program of ['engine/child', 'training/child', 'training/gradient-child'])
    t.ok(programs.has(program), program);
  await end('SIGKILL');
  await judged;
  await sleep(ENDED_WITHIN_MS);
  t.strictSame(
    children.filter((child) => isAlive(child.pid)),
    [],
  );
});
