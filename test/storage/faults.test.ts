/** A disk that fails under the service: the system calls on its database files are made to fail. */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { integrity, Kept } from './fixtures/kept.js';
import { type Server, startServer } from './fixtures/server.js';
import { attach, noAttaching } from './fixtures/strace.js';
import { ask, named, WRITES } from './fixtures/writes.js';

const SYNCS = 'fsync,fdatasync';
const WRITING = 'pwrite64';
/** Which calls fail with what; whether writing stops until the next start. */
const FAULTS: readonly [calls: string, error: string, type: string, stops: boolean][] = [
  [SYNCS, 'EIO', '/problems#storage-failed', true],
  [SYNCS, 'ENOSPC', '/problems#storage-failed', true],
  [WRITING, 'EIO', '/problems#storage-failed', true],
  [WRITING, 'ENOSPC', '/problems#storage-full', false],
];

/** Those that need no database come first, for they leave files behind. */
const LASTING = WRITES.filter(({ name }) => !name.startsWith('POST /nli'));
const JUDGE = { pairs: [{ pair_id: 'c1', premise: 'A man plays.', nli_hypothesis: 'Someone plays.' }] };

t.setTimeout(300_000);
const reason = await noAttaching();

const isStatus = (url: string, status: number) => async (): Promise<boolean> => (await ask(url)).status === status;

async function within(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(50)) if (await condition()) return true;
  return false;
}

/** No write is answered 2xx; what needs none goes on. */
async function refusesWrites(t: Test, { url }: Server, kept: Kept, type: string): Promise<void> {
  for (const write of LASTING) t.match(await kept.ask(url, write), { status: 503, body: { type } }, write.name);
  const judged = await ask(`${url}/nli`, JUDGE);
  t.match(judged, { status: 200, body: { results: [{ prediction_id: null, error: null }] } }, 'pairs are judged');
  for (const place of ['/corrections', '/training-runs', '/adapters', '/health/ready', '/metrics'])
    t.ok(await isReadable(url, place), `${place} is read`);
}

const isReadable = async (url: string, place: string): Promise<boolean> => {
  const response = await fetch(`${url}${place}`);
  await response.text();
  return response.status === 200;
};

t.test('storage faults', { skip: reason }, async (whole) => {
  const dataDir = realpathSync(whole.testdir());
  const file = path.join(dataDir, 'errata.db');
  const files = ['-P', file, '-P', `${file}-wal`];
  const kept = new Kept();
  let server = await startServer(whole, { dataDir });
  await kept.ask(server.url, named('POST /adapters'));

  for (const [calls, error, type, stops] of FAULTS)
    await whole.test(`${calls} fail with ${error}`, async (t) => {
      t.strictSame(
        (await kept.askAll(server.url)).filter((status) => status >= 300),
        [],
        'all is well before',
      );
      const options = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`, '-e', 'signal=none', ...files];
      const strace = await attach(server.pid, options);
      await refusesWrites(t, server, kept, type);
      await strace.detach();
      if (stops) await refusesWrites(t, server, kept, type);
      else
        t.ok(
          await within(5000, async () => (await kept.ask(server.url, LASTING[0]!)).status === 201),
          'writes are taken again without a restart',
        );
      await server.end('SIGKILL');
      t.equal(integrity(file), 'ok');
      server = await startServer(whole, { dataDir });
      t.ok(await within(10_000, isStatus(`${server.url}/health/ready`, 200)), 'it is ready again');
      t.strictSame(await kept.missing(server.url), [], `all of ${kept.count} that were acknowledged are there`);
      t.equal((await kept.ask(server.url, LASTING[0]!)).status, 201, 'and it writes');
    });
});
