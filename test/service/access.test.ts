/** P8 over the whole real service on an address that others reach: who did what is logged, no key and no text is. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { verifyAudit } from '../../src/db/audit-verify.js';
import { packageRoot } from '../../src/package.js';
import { type Role, ROLES } from '../../src/roles.js';
import { errata } from '../cli/errata.js';
import { bearer } from '../support/keys.js';

const MAIN = path.join(packageRoot, 'dist', 'src', 'main.js');

/** Stands in everything a client sends that nobody else may read. */
const CANARY = 'kanarienvogel';

interface Running {
  readonly url: string;
  readonly child: ChildProcess;
  readonly said: () => string;
}

async function start(env: Record<string, string>): Promise<Running> {
  const child = spawn(process.execPath, [MAIN, 'serve'], { env: { PATH: process.env['PATH'], ...env } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  while (child.exitCode === null) {
    const port = /on http:\/\/[\d.:]+:(\d+)/.exec(text)?.[1];
    if (port !== undefined) return { url: `http://127.0.0.1:${port}`, child, said: () => text };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(text);
}

t.test('a service with keys: every act has its actor, and nothing that it emits has a key or a text', async (t) => {
  const dataDir = t.testdir();
  const file = path.join(dataDir, 'errata.db');
  const env = { ERRATA_DATA_DIR: dataDir, ERRATA_PORT: '0', ERRATA_HOST: '0.0.0.0', ERRATA_LOG_LEVEL: 'trace' };
  const keys: Partial<Record<Role, string>> = {};
  for (const role of ROLES) keys[role] = (await errata(['keys', 'create', role], dataDir, env)).stdout.trim();
  const other = (await errata(['keys', 'create', 'upstream'], dataDir, env)).stdout.trim();
  const settings = { ...env, ERRATA_RECORD: 'required', ERRATA_EMBED_URL: 'http://127.0.0.1:9' };
  const { url, child, said } = await start(settings);
  t.teardown(() => child.kill('SIGKILL'));
  t.notMatch(said(), /OPEN|no API keys/);
  const emitted: string[] = [];
  const statuses = new Set<number>();
  const ask = async (role: Role | null, method: string, at: string, body?: unknown, headers: object = {}) => {
    const response = await fetch(url + at, {
      method,
      headers: {
        ...(role !== null && bearer(keys[role] as string)),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    statuses.add(response.status);
    if (response.status >= 500 || at === '/metrics' || at.startsWith('/audit-log')) emitted.push(text);
    const json = /[/+]json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, body: (json ? JSON.parse(text) : text) as never };
  };

  const pair = {
    pair_id: `${CANARY}-id`,
    page_id: `${CANARY}-page`,
    premise: `${CANARY} sings.`,
    nli_hypothesis: CANARY,
  };
  const judged: { status: number; body: { results: { prediction_id: string }[] } } = await ask(
    'upstream',
    'POST',
    '/nli',
    {
      pairs: [pair],
    },
  );
  t.equal(judged.status, 200);
  const prediction_id = judged.body.results[0]?.prediction_id as string;

  await t.test('an upstream sees its own predictions only', async (t) => {
    const stranger = { authorization: `Bearer ${other}` };
    t.equal((await ask('upstream', 'GET', `/predictions/${prediction_id}`)).status, 200);
    t.equal((await ask('reviewer', 'GET', `/predictions/${prediction_id}`)).status, 200);
    t.equal((await ask(null, 'GET', `/predictions/${prediction_id}`, undefined, stranger)).status, 404);
    const count = async (role: Role | null, headers = {}) => {
      const { body } = await ask(role, 'GET', `/predictions?text=${CANARY}`, undefined, headers);
      return (body as { items: unknown[] }).items.length;
    };
    t.strictSame([await count('upstream'), await count('operator'), await count(null, stranger)], [1, 1, 0]);
  });

  const said_of = { correct_label: 'refutes', reason: CANARY, reviewer: 'somebody else', edge_id: CANARY };
  const corrected: { body: { id: string; reviewer: string } } = await ask('reviewer', 'POST', '/corrections', {
    prediction_id,
    ...said_of,
  });
  const reviewer = keys.reviewer?.split('_')[2] as string;
  t.equal(corrected.body.reviewer, reviewer, 'the reviewer is the key');
  await ask('reviewer', 'POST', '/corrections', { prediction_id, ...said_of, correct_label: 'neutral' });
  const full = { ...said_of, ...pair, premise: `Another ${CANARY}.`, external_id: CANARY };
  await ask('reviewer', 'POST', '/corrections', { corrections: [full] }, { 'idempotency-key': CANARY });
  const list: { body: { items: { id: string }[] } } = await ask('reviewer', 'GET', '/corrections');
  await ask('reviewer', 'POST', `/corrections/${list.body.items[0]?.id}/withdraw`);
  const lines = `${JSON.stringify({ ...full, external_id: `${CANARY}2` })}\n{${CANARY}\n`;
  await ask('operator', 'POST', '/corrections/import', lines, { 'content-type': 'application/x-ndjson' });
  const asked = { adapter: 'base', against: 'base' };
  t.equal((await ask('operator', 'POST', '/shadow-comparisons', asked)).status, 202);

  await t.test('what is refused', async () => {
    await ask('admin', 'POST', `/adapters/${CANARY}/promote`, { reason: CANARY, force: true });
    await ask(
      'operator',
      'POST',
      `/adapters/${CANARY}/promote`,
      { reason: CANARY, force: true },
      { 'if-match': `"${CANARY}"` },
    );
    await ask('operator', 'POST', '/training-runs', { force: true, parameters: { [CANARY]: CANARY } });
    await ask('operator', 'POST', '/shadow-comparisons', { adapter: CANARY });
    await ask('upstream', 'POST', '/nli', `{"${CANARY}`);
    await ask('upstream', 'POST', '/nli', { pairs: [{ [CANARY]: CANARY }] });
    await ask('upstream', 'POST', `/embed?${CANARY}=${CANARY}`, { texts: [CANARY] });
    await ask('reviewer', 'GET', `/predictions?limit=${CANARY}&${CANARY}=1&text=${CANARY}`);
    await ask(null, 'GET', `/${CANARY}/%ff?${CANARY}`);
    for (const authorization of [`Bearer ${CANARY}`, `Basic ${CANARY}`, `Bearer ${keys.admin}x`, CANARY])
      await ask(null, 'GET', `/model?api_key=${CANARY}`, undefined, { authorization });
    const form = { 'content-type': `multipart/form-data; boundary=${CANARY}` };
    await ask('operator', 'POST', '/adapters', `--${CANARY}\r\n${CANARY}`, form);
  });

  await t.test('what fails', async (t) => {
    const lock = new Sqlite(file);
    lock.exec('begin immediate');
    const failures = await Promise.all([
      ask('upstream', 'POST', '/nli', { pairs: [{ ...pair, premise: `${CANARY} again` }] }),
      ask('reviewer', 'POST', '/corrections', { ...full, external_id: null }),
    ]);
    lock.exec('rollback');
    lock.close();
    t.match(failures, [{ status: 503 }, { status: 503 }]);
  });

  const acts: { body: { items: { act: string; actor: string; role: string; subject_id: string | null }[] } } =
    await ask('admin', 'GET', '/audit-log?limit=200');
  const did = new Set(
    acts.body.items.map(({ act, actor, role }) => `${act} ${role} ${actor === keys[role as Role]?.split('_')[2]}`),
  );
  for (const expected of [
    'key.create command-line false',
    'correction.create reviewer true',
    'correction.replace reviewer true',
    'correction.withdraw reviewer true',
    'correction.import operator true',
    'comparison.start operator true',
  ])
    t.ok(did.has(expected), expected);
  t.ok(acts.body.items.some(({ act, subject_id }) => act === 'correction.create' && subject_id === corrected.body.id));
  await ask('operator', 'GET', '/metrics');
  child.kill('SIGTERM');
  await once(child, 'close');
  t.match(said(), /storage-failed|could not be recorded/, 'failures are logged');
  for (const status of [200, 201, 202, 400, 401, 403, 404, 422, 502, 503]) t.ok(statuses.has(status), String(status));
  for (const secret of [CANARY, ...Object.values(keys), other].map((key) => key.slice(-45)))
    for (const text of [said(), ...emitted])
      t.notOk(text.includes(secret), text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 50));
  t.strictSame(verifyAudit(file).faults, []);
});
