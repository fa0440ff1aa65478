import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { answerProblem } from '../../../routes/wire/failure.js';
import { limitRates } from '../../../routes/wire/rate-limit.js';
import { OPEN } from '../../../src/roles.js';
import { openFor } from '../../db/fixtures/open.js';
import { contractFault } from '../../support/contract.js';
import { keysOf } from '../../support/keys.js';
import { type Answered, post, serve, type Setup } from '../../support/serve.js';

const pair = { premise: 'A man plays.', nli_hypothesis: 'Someone plays.' };
const pairs = (count: number) => ({ pairs: Array.from({ length: count }, () => pair) });

async function limited(t: Test, unitsPerMinute: number, setup: Setup = {}) {
  const served = await serve(t, { ...setup, options: { unitsPerMinute } });
  const ask = (count: number, headers = {}): Promise<Answered> => post(`${served.url}/nli`, pairs(count), headers);
  const get = async (path: string, headers = {}): Promise<Answered> => {
    const response = await fetch(served.url + path, { headers });
    const text = await response.text();
    const json = /[/+]json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: json ? (JSON.parse(text) as unknown) : text };
  };
  return { ...served, ask, get };
}

const told = ({ headers }: Answered): (string | null)[] =>
  ['limit', 'remaining', 'reset'].map((name) => headers.get(`ratelimit-${name}`));

t.test('a pair is a unit, another request is one', async (t) => {
  const { ask, get } = await limited(t, 10);
  const first = await ask(7);
  t.equal(first.status, 200);
  t.strictSame(told(first), ['10', '3', '60']);
  const second = await get('/model');
  t.strictSame(told(second).slice(0, 2), ['10', '2']);
  t.equal((await ask(0)).status, 200, 'without pairs it is one request');
  t.equal((await ask(1)).status, 200);
  t.equal((await ask(1)).status, 429);
});

t.test('what does not fit is refused as a problem, costs nothing, and less still fits', async (t) => {
  const { ask, get, engine } = await limited(t, 10);
  await ask(7);
  const refused = await ask(4);
  t.match(refused, { status: 429, body: { type: '/problems#rate-limited', ok: false, results: [] } });
  t.match(refused.headers.get('content-type'), 'application/problem+json');
  t.strictSame(told(refused), ['10', '0', '60']);
  t.equal(refused.headers.get('retry-after'), '60');
  t.equal(contractFault('judge', refused), undefined);
  t.equal((await ask(3)).status, 200);
  const other = await get('/model');
  t.match(other, { status: 429, body: { type: '/problems#rate-limited' } });
  t.equal(contractFault('getModel', other), undefined);
  t.equal(engine.calls.length, 2);
});

t.test('of one who has nothing left no body is read', async (t) => {
  const { url, ask } = await limited(t, 3);
  await ask(3);
  const unread = await post(`${url}/nli`, '{"pairs":[');
  t.match(unread, { status: 429, body: { ok: false, results: [] } }, 'it is no JSON, and nobody looked');
  t.strictSame(told(unread), ['3', '0', '60']);
  t.ok(Number(unread.headers.get('retry-after')) >= 1);
});

t.test('each key has its own units, whatever its route', async (t) => {
  const { access, as, keys } = await keysOf(await openFor(t));
  const { ask, get } = await limited(t, 4, { access });
  const other = { authorization: `Bearer ${(await keys.create({ role: 'upstream', name: null })).key}` };
  const status = async (count: number, headers: object): Promise<number> => (await ask(count, headers)).status;
  t.equal(await status(4, as('upstream')), 200);
  t.equal(await status(1, as('upstream')), 429);
  t.equal((await get('/model', as('upstream'))).status, 429);
  t.equal((await get('/model', as('reviewer'))).status, 200);
  t.equal(await status(4, other), 200);
  t.equal(await status(1, {}), 401, 'who has no key has no units');
});

t.test('health and metrics are exempt, and without a limit nothing is counted', async (t) => {
  const { ask, get } = await limited(t, 1);
  await ask(1);
  for (const path of ['/health', '/health/live', '/health/ready', '/metrics', '/problems']) {
    for (let time = 0; time < 3; time++) t.equal((await get(path)).status, 200, path);
  }
  const { url } = await serve(t);
  t.strictSame(told(await post(`${url}/nli`, pairs(9))), [null, null, null]);
});

t.test('after a minute the units are back', async (t) => {
  const clock = { now: 1_000_000 };
  const app = Fastify();
  app.setErrorHandler(answerProblem());
  app.decorateRequest('principal', null as never);
  app.addHook('onRequest', async (request) => void (request.principal = OPEN));
  await limitRates(app, { unitsPerMinute: 2, now: () => clock.now });
  app.get('/', { config: { roles: ['operator'] } }, async () => 'in');
  const ask = async (remoteAddress: string) => app.inject({ url: '/', remoteAddress });
  t.equal((await ask('127.0.0.1')).statusCode, 200);
  clock.now += 30_000;
  t.equal((await ask('127.0.0.1')).statusCode, 200);
  const refused = await ask('127.0.0.1');
  t.strictSame([refused.statusCode, refused.headers['retry-after']], [429, '30']);
  t.equal((await ask('127.0.0.2')).statusCode, 200, 'another address has its own');
  clock.now += 30_000;
  const back = await ask('127.0.0.1');
  t.strictSame([back.statusCode, back.headers['ratelimit-remaining']], [200, '1']);
  for (let other = 0; other < 10_000; other++) await ask(`10.0.${other >> 8}.${other & 255}`);
  t.equal((await ask('127.0.0.1')).headers['ratelimit-remaining'], '1', 'whoever asked longest ago is forgotten first');
});
