/** The table of docs/reliability/overload.md: what the probes answer in which state, of the real service. */
import { once } from 'node:events';
import { cpSync, mkdirSync, renameSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config.js';
import { openConnection } from '../../src/db/connection.js';
import { openDatabase } from '../../src/db/database.js';
import { localKysely } from '../../src/db/dialect.js';
import { migrate } from '../../src/db/migrate.js';
import { migrations } from '../../src/db/migrations/index.js';
import { packageRoot } from '../../src/package.js';
import { serve } from '../../src/serve.js';
import { processChildren } from './processes.js';
import { post, startService } from './service.js';
import { spawnService } from './spawned.js';

const MODEL = path.join(packageRoot, 'models', 'nli-deberta-v3-tiny');
const MAX_WAIT_MS = 30_000;

/** Not that of a test: starting a service makes that anew. */
const FIXTURES = t.testdir();

type Probes = readonly [live: number, ready: number];

const probe = async (url: string, name: string): Promise<number> => (await fetch(`${url}/health/${name}`)).status;

const probes = async (url: string): Promise<Probes> => [await probe(url, 'live'), await probe(url, 'ready')];

/** The state comes by itself, a moment after its cause. */
async function become(t: Test, url: string, expected: Probes, name: string): Promise<void> {
  const until = performance.now() + MAX_WAIT_MS;
  let seen = await probes(url);
  while (String(seen) !== String(expected) && performance.now() < until) seen = await probes(url);
  t.strictSame(seen, expected, name);
}

const childrenOf = (): number[] => processChildren(process.pid, 'engine/child.js');

t.test('ready, and short of children', async (t) => {
  const folder = path.join(FIXTURES, 'model');
  cpSync(MODEL, folder, { recursive: true });
  const env = { ERRATA_MODEL: folder, ERRATA_INFERENCE_CHILDREN: '2' };
  const { url } = await startService(t, env);
  t.strictSame(await probes(url), [200, 200], 'ready');
  const [weights, away] = ['model.safetensors', 'away'].map((name) => path.join(folder, name)) as [string, string];
  renameSync(weights, away);
  const [first, second] = childrenOf();
  process.kill(first!, 'SIGSTOP');
  t.strictSame(await probes(url), [200, 200], 'a child hangs');
  process.kill(first!, 'SIGSEGV');
  process.kill(first!, 'SIGCONT');
  t.strictSame(await probes(url), [200, 200], 'a child crashed, another is there');
  process.kill(second!, 'SIGSEGV');
  await become(t, url, [200, 503], 'no child, and the weights have gone');
  t.match(await (await fetch(`${url}/health/ready`)).json(), { detail: /no inference child/ });
  renameSync(away, weights);
  await become(t, url, [200, 200], 'the weights are back');
});

t.test('more work than the queue holds: still ready, what comes is told by its own answer', async (t) => {
  const { url } = await startService(t, { ERRATA_QUEUE_PAIRS: '8', ERRATA_INFERENCE_CHILDREN: '1' });
  const pair = { premise: 'A man plays a guitar. '.repeat(40), nli_hypothesis: 'A man plays.' };
  for (const pid of childrenOf()) process.kill(pid, 'SIGSTOP');
  const asked = Array.from({ length: 40 }, () => post(`${url}/nli`, { pairs: [pair] }));
  t.equal((await Promise.race(asked)).status, 429, 'the first that hears anything');
  t.strictSame(await probes(url), [200, 200]);
  for (const pid of childrenOf()) process.kill(pid, 'SIGCONT');
  t.ok((await Promise.all(asked)).some(({ status }) => status === 200));
});

/** A premise for each pair that fills the database's file, which may not grow beyond a few megabytes. */
const filling = (round: number) => ({
  pairs: Array.from({ length: 64 }, (_, i) => ({ premise: `${round} ${i} `.repeat(3000), nli_hypothesis: 'x' })),
});

for (const [record, expected] of [
  ['required', [200, 503]],
  ['best-effort', [200, 200]],
] as const)
  t.test(`the storage met an I/O error, record=${record}`, { skip: process.platform === 'win32' }, async (t) => {
    const { url } = await spawnService(t, { ERRATA_RECORD: record, ERRATA_MAX_TOKENS: '64' }, 'ulimit -f 6000;');
    t.strictSame(await probes(url), [200, 200], 'before');
    let lost = false;
    for (let round = 0; round < 20 && !lost; round++) {
      await post(`${url}/nli`, filling(round));
      lost = /^errata_database_writing 0$/m.test(await (await fetch(`${url}/metrics`)).text());
    }
    t.ok(lost, 'writing has stopped');
    t.strictSame(await probes(url), expected);
    const { status } = await post(`${url}/nli`, { pairs: [{ premise: 'a', nli_hypothesis: 'b' }] });
    t.equal(status, record === 'required' ? 503 : 200, 'and /nli');
  });

/** A connection that has begun to ask, so that it is not idle; gives the answer once it may finish. */
async function begun(port: number, name: string): Promise<() => Promise<string>> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  await once(socket, 'connect');
  socket.write(`GET /health/${name} HTTP/1.1\r\n`);
  return () => text(socket.end('host: x\r\n\r\n'));
}

t.test('draining: a connection that is kept is told, a new one is refused', async (t) => {
  const { port, url, child, ended } = await spawnService(t, { ERRATA_INFERENCE_CHILDREN: '1' });
  const kept = await Promise.all(['live', 'ready'].map((name) => begun(port, name)));
  const pair = { premise: 'A man plays a guitar. '.repeat(80), nli_hypothesis: 'A man plays.' };
  const work = post(`${url}/nli`, { pairs: Array.from({ length: 32 }, () => pair) });
  const queued = async (): Promise<boolean> =>
    /^errata_queue_pairs [1-9]/m.test(await (await fetch(`${url}/metrics`)).text());
  while (!(await queued()));
  child.kill('SIGTERM');
  const refused = async (): Promise<boolean> => (await fetch(`${url}/health/live`).catch(() => null)) === null;
  while (!(await refused()));
  const [live, ready] = await Promise.all(kept.map((finish) => finish()));
  t.match(live, /^HTTP\/1.1 200 OK\r\n[^]*connection: close/i);
  t.match(ready, /^HTTP\/1.1 503 [^]*the service is closing/);
  t.equal((await work).status, 200);
  t.equal(await ended, 0);
});

t.test('what cannot serve does not listen, and ends with the reason', async (t) => {
  const data = t.testdir();
  const url = `sqlite:${path.join(data, 'errata.db')}`;
  const start = (env: Record<string, string>) =>
    serve(loadConfig({ ERRATA_PORT: '0', ERRATA_DATA_DIR: data, ERRATA_LOG_LEVEL: 'silent', ...env }));
  await t.rejects(start({ ERRATA_MODEL: data }), { message: /ERRATA_MODEL/ }, 'no model');
  await (await openDatabase({ url })).close();
  const newer = new Sqlite(path.join(data, 'errata.db'));
  newer.exec(`insert into kysely_migration values ('9999-later', '2030-01-01T00:00:00.000Z')`);
  newer.close();
  await t.rejects(start({}), { message: /newer version/ }, 'a database of a newer version');
});

t.test('a database that lacks migrations is brought to the present schema before the service listens', async (t) => {
  const data = path.join(FIXTURES, 'older');
  mkdirSync(data);
  const file = path.join(data, 'errata.db');
  const older = localKysely<unknown>(openConnection({ file, role: 'writer', busy_timeout_ms: 5000 }));
  const names = Object.keys(migrations).toSorted().slice(0, -1);
  await migrate(older, Object.fromEntries(names.map((name) => [name, migrations[name]!])), file);
  await older.destroy();
  const { url } = await startService(t, { ERRATA_DATA_DIR: data });
  t.strictSame(await probes(url), [200, 200]);
  const now = new Sqlite(file, { readonly: true });
  t.equal(now.prepare('select count(*) from kysely_migration').pluck().get(), names.length + 1);
  now.close();
});
