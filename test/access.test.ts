/** P8: who gets in, and to what. Every operation of openapi.yaml × every role × no key. */
import { randomBytes } from 'node:crypto';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { guardRoutes } from '../routes/wire/access.js';
import { createAccess, type AccessHeaders } from '../src/access.js';
import { newKey, readKey } from '../src/api-key.js';
import { OPEN, type Role, ROLES } from '../src/roles.js';
import { openFor } from './db/fixtures/open.js';
import { openApi } from './support/contract.js';
import { bearer, keysOf } from './support/keys.js';
import { serve } from './support/serve.js';

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly operationId: string;
  readonly roles: readonly string[] | 'open';
}

interface Declared {
  readonly operationId: string;
  readonly security: readonly { readonly api_key: readonly string[] }[];
}

const OPERATIONS = Object.entries(openApi.paths).flatMap(([path, methods]) =>
  Object.entries(methods as Readonly<Record<string, unknown>>).map(([method, one]): Operation => {
    const { operationId, security } = one as Declared;
    const roles = security.length === 0 ? 'open' : security.flatMap(({ api_key }) => api_key);
    return { method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, 'x'), operationId, roles };
  }),
);

/** Who may do what, said a second time by hand: what openapi.yaml says must not change by itself. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  upstream: ['judge', 'embed', 'warmUp'],
  reviewer: ['correct', 'listCorrections', 'getCorrection', 'withdrawCorrection'],
  operator: [
    'exportCorrections',
    'importCorrections',
    'getReadiness',
    'listAdapters',
    'importAdapter',
    'getActiveAdapter',
    'listAdapterHistory',
    'getAdapter',
    'getAdapterFile',
    'promoteAdapter',
    'rollBackAdapter',
    'startTrainingRun',
    'listTrainingRuns',
    'getTrainingRun',
    'followTrainingRun',
    'cancelTrainingRun',
    'startShadowComparison',
    'listShadowComparisons',
    'getShadowComparison',
    'getLiveShadow',
    'setLiveShadow',
    'erase',
    'listWebhookDeliveries',
    'replayWebhookDelivery',
    'getMetrics',
  ],
  'upstream reviewer operator': ['listPredictions', 'getPrediction'],
  'operator admin': ['listAuditLog', 'listErasures'],
  'upstream reviewer operator admin': ['getModel', 'listModules'],
  open: ['getHealth', 'isLive', 'isReady', 'listProblems'],
};

t.test('openapi.yaml gives each operation the roles that are promised', async (t) => {
  const said: Record<string, string> = {};
  for (const { operationId, roles } of OPERATIONS) said[operationId] = roles === 'open' ? roles : roles.join(' ');
  const promised = Object.entries(PROMISED).flatMap(([roles, ids]) => ids.map((id) => [id, roles]));
  t.strictSame(said, Object.fromEntries(promised));
});

t.test('every operation × every role × no key', async (t) => {
  const { access, as, keys } = await keysOf(await openFor(t));
  const { url } = await serve(t, { access });
  const revoked = await keys.create({ role: 'operator', name: null });
  await keys.revoke(revoked.id);
  const ask = (operation: Operation, headers: Record<string, string>) =>
    fetch(`${url}${operation.path}`, { method: operation.method, headers });
  for (const operation of OPERATIONS) {
    const { operationId, roles } = operation;
    for (const headers of [{}, bearer(revoked.key)]) {
      const { status, headers: answered } = await ask(operation, headers);
      t.equal(status === 401, roles !== 'open', `${operationId} without a key that opens`);
      if (status === 401) t.match(answered.get('www-authenticate'), /^Bearer realm="errata"/);
    }
    for (const role of ROLES) {
      const response = await ask(operation, as(role));
      const allowed = roles === 'open' || roles.includes(role);
      if (allowed) t.notOk([401, 403].includes(response.status), `${operationId} as ${role} is let in`);
      else await refused(t, response, operation, role);
    }
  }
});

async function refused(t: Test, response: Response, { operationId, roles }: Operation, role: Role): Promise<void> {
  const { detail } = (await response.json()) as { detail: string };
  t.equal(response.status, 403, `${operationId} as ${role} is refused`);
  t.equal(detail, `this needs the role ${[roles].flat().join(' or ')}, and the key has the role ${role}`);
  t.match(response.headers.get('www-authenticate'), /error="insufficient_scope"/);
}

t.test('clients of /nli find their members in a refusal', async (t) => {
  const { access } = await keysOf(await openFor(t));
  const { url } = await serve(t, { access });
  const response = await fetch(`${url}/nli`, { method: 'POST' });
  t.match(await response.json(), { ok: false, results: [], error: /an API key is needed/, status: 401 });
});

t.test('an app with a route that declares no roles does not start', async (t) => {
  const app = Fastify();
  guardRoutes(app, { principal: async () => OPEN });
  app.get('/declared', { config: { roles: 'open' } }, async () => 'in');
  app.get('/unguarded', async () => 'in');
  await t.rejects(async () => app.ready(), {
    message: 'routes that declare no roles: GET /unguarded, HEAD /unguarded',
  });
});

t.test('a key', async (t) => {
  const { keys, access, clock, ids, as } = await keysOf(await openFor(t));
  const enter = (headers: AccessHeaders) => access.principal(headers);
  await t.test('opens for its role', async (t) => {
    for (const role of ROLES) t.strictSame(await enter(as(role)), { key_id: ids[role], role });
  });
  await t.test('that is mistyped is told from one that is wrong', async (t) => {
    const { key } = await keys.create({ role: 'admin', name: null });
    clock.now += 1_001;
    const typo = key.slice(0, -8) + (key.at(-8) === 'x' ? 'y' : 'x') + key.slice(-7);
    const other = newKey({ role: 'admin', id: readKey(key)?.id as string }, randomBytes);
    const elevated = newKey({ role: 'operator', id: readKey(key)?.id as string }, randomBytes);
    await t.rejects(enter(bearer(typo)), { code: 'unauthorized', message: /mistyped/ });
    for (const wrong of [other, elevated])
      await t.rejects(enter(bearer(wrong)), { code: 'unauthorized', message: /not known here/ });
    for (const header of ['', 'Bearer', `Basic ${key}`, key, `Bearer ${key} x`])
      await t.rejects(enter({ authorization: header }), { code: 'unauthorized' }, header.slice(0, 8));
    t.equal((await enter(bearer(key))).role, 'admin');
  });
  await t.test('that is rotated keeps its id, and the one before opens as long as was said', async (t) => {
    const before = await keys.create({ role: 'reviewer', name: null });
    const after = await keys.rotate(before.id, 10);
    clock.now += 1_001;
    for (const { key } of [before, after])
      t.strictSame(await enter(bearer(key)), { key_id: before.id, role: 'reviewer' });
    clock.now += 10 * 60_000;
    await t.rejects(enter(bearer(before.key)), { code: 'unauthorized' });
    const last = await keys.rotate(before.id, 0);
    clock.now += 1_001;
    await t.rejects(enter(bearer(after.key)), { code: 'unauthorized' });
    t.equal((await enter(bearer(last.key))).key_id, before.id);
  });
  await t.test('that is revoked opens nothing within a second, and is not rotated', async (t) => {
    const { key, id } = await keys.create({ role: 'reviewer', name: null });
    clock.now += 1_001;
    t.equal((await enter(bearer(key))).key_id, id);
    await keys.revoke(id);
    clock.now += 1_001;
    await t.rejects(enter(bearer(key)), { code: 'unauthorized' });
    await t.rejects(keys.rotate(id, 0), { code: 'conflict' });
    await t.rejects(keys.revoke('nobody'), { code: 'not-found' });
  });
  await t.test('is not in the database', async (t) => {
    const { key } = await keys.create({ role: 'upstream', name: 'x' });
    t.notMatch(JSON.stringify(await keys.list()), key);
  });
});

const HERE = { host: '127.0.0.1:8100' };

t.test('without any key, on loopback', async (t) => {
  const database = await openFor(t);
  const access = createAccess({ database, host: '127.0.0.1', now: Date.now });
  await t.test('programs and pages of this machine are let in', async (t) => {
    const table: AccessHeaders[] = [
      HERE,
      {},
      { host: 'localhost:8100' },
      { host: '[::1]:8100' },
      { ...HERE, origin: 'http://127.0.0.1:8100', 'sec-fetch-site': 'same-origin' },
      { ...HERE, authorization: 'Bearer something' },
    ];
    for (const headers of table) t.strictSame(await access.principal(headers), { key_id: null, role: 'open' });
  });
  await t.test('pages of elsewhere are not', async (t) => {
    const table: AccessHeaders[] = [
      { ...HERE, origin: 'https://example.org' },
      { ...HERE, origin: 'null' },
      { ...HERE, origin: 'http://127.0.0.1:9999' },
      { ...HERE, 'sec-fetch-site': 'cross-site' },
      { host: 'example.org:8100' },
      { host: 'example.org:8100', origin: 'http://example.org:8100', 'sec-fetch-site': 'same-origin' },
      { host: '127.0.0.1.example.org' },
    ];
    for (const headers of table)
      await t.rejects(access.principal(headers), { code: 'forbidden' }, JSON.stringify(headers));
  });
  await t.test('elsewhere than on loopback nobody is', async (t) => {
    const exposed = createAccess({ database, host: '0.0.0.0', now: Date.now });
    await t.rejects(exposed.principal(HERE), { code: 'unauthorized' });
  });
});

t.test('once a key was made the service is closed, also when the last one is revoked', async (t) => {
  const { keys, access, ids } = await keysOf(await openFor(t));
  for (const id of Object.values(ids)) await keys.revoke(id);
  await t.rejects(access.principal(HERE), { code: 'unauthorized' });
});
