/** A data directory on a file system that is really full. */
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, openSync, realpathSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { integrity, Kept } from './fixtures/kept.js';
import { startServer } from './fixtures/server.js';
import { ask, named, WRITES } from './fixtures/writes.js';

const SIZE = '10m';
/** A shell that mounts a small file system over its first argument, for itself and what it becomes, and becomes the rest. */
const MOUNTED = ['-rm', 'sh', '-c', `mount -t tmpfs -o size=${SIZE} tmpfs "$0" && exec "$@"`];

function noMount(directory: string): string | false {
  const { status, error } = spawnSync('unshare', [...MOUNTED, directory, 'true']);
  return status === 0 ? false : `no file system may be mounted here${error ? `: ${error.message}` : ''}`;
}

/** Takes all room that is left; as the process sees its files. */
function fill(file: string): void {
  const handle = openSync(file, 'a');
  try {
    for (const size of [1 << 20, 1 << 12, 1]) while (wrote(handle, size));
  } finally {
    closeSync(handle);
  }
}

function wrote(handle: number, size: number): boolean {
  try {
    return writeSync(handle, Buffer.alloc(size)) === size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return false;
  }
}

const FULL = { status: 503, body: { type: '/problems#storage-full' } };
const JUDGE = { pairs: [{ pair_id: 'c1', premise: 'A man plays.', nli_hypothesis: 'Someone plays.' }] };
const MANY = named('POST /corrections, many at once');

t.setTimeout(180_000);
const dataDir = realpathSync(t.testdir());

t.test('a full disk, and room again', { skip: noMount(dataDir) }, async (t) => {
  const server = await startServer(t, { dataDir, under: ['unshare', ...MOUNTED, dataDir] });
  const { url } = server;
  const kept = new Kept();
  await kept.ask(url, named('POST /adapters'));
  t.strictSame(
    (await kept.askAll(url)).filter((status) => status >= 300),
    [],
  );
  const run = (await ask(`${url}/training-runs`, { force: true, parameters: { epochs: 40 } })).body as { id: string };
  const runNow = async () => (await ask(`${url}/training-runs/${run.id}`)).body as RunNow;
  while ((await runNow()).progress?.stage !== 'training') await sleep(50);

  const inside = path.join('/proc', String(server.pid), 'root', dataDir);
  const filler = path.join(inside, 'filler');
  fill(filler);
  // What the log has room for is still taken, and lasts.
  let answer = await kept.ask(url, MANY);
  for (let tries = 0; tries < 500 && answer.status !== 503; tries++) answer = await kept.ask(url, MANY);
  t.match(answer, FULL, 'in the end nothing more fits');
  fill(filler);
  for (const write of WRITES.filter(({ name }) => !/nli/.test(name)))
    t.match(await kept.ask(url, write), FULL, write.name);
  const judged = await ask(`${url}/nli`, JUDGE);
  t.match(judged, { status: 200, body: { adapter: { id: kept.promoted }, results: [{ prediction_id: null }] } });
  for (const place of ['corrections', 'adapters', 'training-runs', 'predictions', 'health/ready'])
    t.equal((await ask(`${url}/${place}`)).status, 200, `${place} is read`);
  while (!/a training run waits/.test(server.said())) await sleep(50);
  t.match(server.said(), /"code":"storage-full"|no space left on the disk/, 'the run says what it waits for');
  t.match(await runNow(), {
    state: 'running',
    error: null,
    waiting: { reason: 'no space left on the disk', since: /T.*Z$/ },
  });

  rmSync(filler);
  const since = performance.now();
  while ((await kept.ask(url, MANY)).status !== 200) await sleep(50);
  t.comment(`writes are taken again after ${Math.round(performance.now() - since)} ms, without a restart`);
  while ((await runNow()).state === 'running') await sleep(100);
  t.match(await runNow(), { state: 'succeeded', attempt: 1, waiting: null }, 'the run has gone on');
  t.strictSame(await kept.missing(url), []);
  const copy = path.join(t.testdir(), 'errata.db');
  process.kill(server.pid, 'SIGSTOP');
  for (const end of ['', '-wal']) copyFileSync(path.join(inside, `errata.db${end}`), `${copy}${end}`);
  process.kill(server.pid, 'SIGCONT');
  t.equal(integrity(copy), 'ok');
  await server.end();
});

interface RunNow {
  readonly state: string;
  readonly progress: { readonly stage: string } | null;
}
