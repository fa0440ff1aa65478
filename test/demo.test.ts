/** The demo as users start it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/package.js';

const PROGRAM = path.join(packageRoot, 'dist', 'demo', 'demo.js');

interface Told {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<number | null>;
}

/** With a temporary directory of its own, in which what it leaves is seen. */
function demo(home: string, ...words: string[]): Told {
  const env = { PATH: process.env['PATH'], TMPDIR: home, ERRATA_PORT: 'nonsense' };
  const child = spawn(process.execPath, [PROGRAM, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (said[name] += text));
  return { child, said, ended: once(child, 'close').then(([code]) => code as number | null) };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50));
}

const serviceOf = ({ said }: Told): string => /(http:\/\/\S+) · /.exec(said.stderr)![1]!;

async function isGone(url: string): Promise<boolean> {
  return fetch(url).then(
    () => false,
    () => true,
  );
}

t.test('it learns from corrections, tells the verdict, and leaves nothing behind', async (t) => {
  const home = t.testdir();
  const told = demo(home, '--quick', '--json');
  t.equal(await told.ended, 0, told.said.stderr);
  const result = JSON.parse(told.said.stdout) as {
    rows: { pairs: number; before: number; after: number }[];
    verdict: string;
    promoted: boolean;
    forced: boolean;
  };
  const [pages, sureAndWrong, right] = result.rows;
  t.equal(sureAndWrong!.before, 0);
  t.equal(right!.before, right!.pairs);
  t.ok(sureAndWrong!.after > 0, 'some confident errors are mended');
  t.ok(pages!.pairs > sureAndWrong!.pairs + right!.pairs / 2);
  t.match(result, { promoted: true, forced: result.verdict !== 'recommend' });
  for (const step of ['UPSTREAM', 'REVIEWER', 'OPERATOR', 'POST /corrections', 'verdict: '])
    t.match(told.said.stderr, step);
  t.notMatch(told.said.stderr, '\r', 'no terminal, no line that is written over');
  t.ok(await isGone(serviceOf(told)));
  t.strictSame(readdirSync(home), []);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  t.test(`${signal} ends the service and removes its data, whenever it comes`, async (t) => {
    for (const moment of ['errata serve', 'POST /nli']) {
      const home = t.testdir({ [moment.replaceAll(/\W/g, '')]: {} });
      const told = demo(path.join(home, moment.replaceAll(/\W/g, '')), '--quick');
      await until(() => told.said.stderr.includes(moment));
      told.child.kill(signal);
      t.equal(await told.ended, signal === 'SIGINT' ? 130 : 1);
      t.match(told.said.stderr, new RegExp(`demo: ended by ${signal}\\n$`));
      t.strictSame(readdirSync(path.join(home, moment.replaceAll(/\W/g, ''))), [], moment);
    }
  });

t.test('an option that is not there is told', async (t) => {
  const told = demo(t.testdir(), '--frobnicate');
  t.equal(await told.ended, 1);
  t.match(told.said.stderr, /frobnicate/);
  t.ok(existsSync(PROGRAM));
});
