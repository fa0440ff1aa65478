/** The service's own system calls: what it answers 2xx is on the disk before. */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { type Promised, uncovered, unordered } from './fixtures/durability.js';
import { startServer } from './fixtures/server.js';
import { noTracing, readTrace } from './fixtures/strace.js';
import { WRITES } from './fixtures/writes.js';

const CALLS = 'trace=fsync,fdatasync,pwrite64,write,writev,rename';
/** A page of the database whole. */
const STRINGS = '4200';
const ROUNDS = 2;

t.setTimeout(240_000);

t.test('an fsync of the log ends before every answer to a write that must last', { skip: noTracing() }, async (t) => {
  const dataDir = realpathSync(t.testdir());
  const trace = path.join(dataDir, 'trace');
  const strace = [
    '-D',
    '-f',
    '-qq',
    '-yy',
    '--seccomp-bpf',
    '-s',
    STRINGS,
    '-e',
    'signal=none',
    '-e',
    CALLS,
    '-o',
    trace,
  ];
  const server = await startServer(t, {
    dataDir,
    env: { ERRATA_RECORD: 'required' },
    under: ['strace', ...strace],
  });
  const promises: Promised[] = [];
  let adapter = '';
  for (let number = 1; number <= ROUNDS; number++)
    for (const write of WRITES) {
      const { status, body } = await write.ask({ url: server.url, number, adapter });
      t.equal(Math.floor(status / 100), 2, `${write.name}: ${JSON.stringify(body).slice(0, 300)}`);
      const ids = write.ids(body as never, number);
      if (write.name === 'POST /adapters') adapter = ids[0] ?? '';
      promises.push({ name: write.name, ids });
    }
  await server.end();
  const calls = readTrace(trace);
  t.strictSame(uncovered(calls, promises), []);
  const imported = promises.filter(({ name }) => name === 'POST /adapters').map(({ ids }) => ids[0] ?? '');
  for (const id of imported) t.strictSame(unordered(calls, id), [], "an adapter's files come before its row");

  await t.test('and the look finds it when they are missing, or late', (t) => {
    const all = promises.flatMap(({ name, ids }) => ids.map((id) => `${name}: ${id}`));
    const without = calls.filter(({ name }) => !name.endsWith('sync'));
    t.strictSame(uncovered(without, promises), all);
    const late = calls.map((call) => (call.name.endsWith('sync') ? { ...call, ended: call.ended + 1e6 } : call));
    t.strictSame(uncovered(late, promises), all);
    t.not(unordered(without, imported[0] ?? '').length, 0);
    t.end();
  });
});
