/** What happens is told at least once, signed, to targets that fail, dawdle or redirect, and across a kill. */
import { fork } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { listAudit } from '../../src/db/audit.js';
import type { Database } from '../../src/db/database.js';
import { Problem } from '../../src/errors.js';
import { backOff, openWebhooks, type Webhooks, type WebhooksParts } from '../../src/webhooks/webhooks.js';
import { decodeSecret, signature } from '../../src/webhooks/signature.js';
import { readTargets, type WebhookTarget } from '../../src/webhooks/targets.js';
import { fileIn, openFor } from '../db/fixtures/open.js';

t.setTimeout(60_000);
const CHILD = fileURLToPath(new URL('../db/fixtures/child.js', import.meta.url));
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const KEY = Buffer.alloc(32, 7);
const AT = '2026-01-02T00:00:00.000Z';
const BY = { actor: 'key-1', role: 'operator' } as const;
const HOUR_MS = 3_600_000;
const PROMOTION = {
  adapter_id: null,
  act: 'promote',
  comparison_id: null,
  forced: 1,
  reason: null,
  actor: 'tester',
  at: AT,
} as const;

interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface Receiver {
  readonly url: string;
  readonly received: Received[];
}

/** Answers as `answer` does with the number of the request. */
async function receiver(t: Test, answer: (reply: ServerResponse, n: number) => void): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      answer(reply, received.length);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}

const status =
  (...codes: readonly number[]) =>
  (reply: ServerResponse, n: number): void => {
    reply.writeHead(codes[Math.min(n, codes.length) - 1] ?? 200).end();
  };

const target = (url: string, changes: Partial<WebhookTarget> = {}): WebhookTarget => ({
  id: 'ops',
  url,
  keys: [KEY],
  types: null,
  ...changes,
});

interface Telling {
  readonly database: Database;
  readonly webhooks: Webhooks;
  readonly clock: { now: number };
}

async function tell(
  t: Test,
  targets: readonly WebhookTarget[],
  changes: Partial<WebhooksParts> = {},
): Promise<Telling> {
  const database = changes.database ? (changes.database as Database) : await openFor(t);
  const clock = { now: Date.parse(AT) };
  const log = { error: (fields: object, message: string) => t.fail(message, fields) };
  const parts = { database, targets, log, now: () => clock.now, random: () => 0, everyMs: 5, timeoutMs: 30_000 };
  const webhooks = openWebhooks({ ...parts, ...changes });
  t.teardown(() => webhooks.close());
  return { database, webhooks, clock };
}

const promote = (database: Database, expected_seq = 0) => database.run('moveAlias', { ...PROMOTION, expected_seq });

type Item = Awaited<ReturnType<Webhooks['list']>>['items'][number];

async function until(webhooks: Webhooks, found: (item: Item) => boolean): Promise<Item> {
  for (;;) {
    const { items } = await webhooks.list({ limit: 10 });
    const item = items.find(found);
    if (item) return item;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test('the signature is that of Standard Webhooks', async (t) => {
  const key = decodeSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  const signed = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330, body: '{"test": 2432232314}' };
  t.equal(signature([key!], signed), 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  t.equal(decodeSecret('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), null);
  t.equal(decodeSecret('whsec_c2hvcnQ='), null);
  t.equal(decodeSecret(`whsec_${'?'.repeat(40)}`), null);
});

t.test('a promotion is told once, signed, to each target that wants it', async (t) => {
  const one = await receiver(t, status(204));
  const other = await receiver(t, status(204));
  const { database, webhooks } = await tell(t, [
    target(one.url),
    target(other.url, { id: 'runs-only', types: ['run.ended'] }),
  ]);
  await promote(database);
  const item = await until(webhooks, ({ state }) => state === 'delivered');
  t.match(item, {
    type: 'adapter.promoted',
    target: 'ops',
    attempts: 1,
    last_status: 204,
    last_error: null,
    next_at: null,
  });
  const [{ headers, body } = { headers: {}, body: '' }] = one.received;
  t.equal(headers['webhook-id'], item.event_id);
  const signed = `${item.event_id}.${String(headers['webhook-timestamp'])}.${body}`;
  t.equal(headers['webhook-signature'], `v1,${createHmac('sha256', KEY).update(signed).digest('base64')}`);
  t.match(JSON.parse(body), {
    type: 'adapter.promoted',
    timestamp: AT,
    data: { adapter_id: null, forced: true, actor: 'tester' },
  });
  t.equal(one.received.length, 1);
  t.equal(other.received.length, 0);
});

t.test('a move that is refused tells nothing', async (t) => {
  const { url, received } = await receiver(t, status(204));
  const { database, webhooks } = await tell(t, [target(url)]);
  await t.rejects(promote(database, 7), { code: 'stale-precondition' });
  await database.run('moveAlias', { ...PROMOTION, act: 'fallback', expected_seq: 0 });
  await database.run('moveAlias', { ...PROMOTION, act: 'rollback', expected_seq: 1 });
  await until(webhooks, ({ state }) => state === 'delivered');
  t.match(
    received.map(({ body }) => JSON.parse(body) as unknown),
    [{ type: 'adapter.rolled_back' }],
  );
  t.equal(received.length, 1);
});

t.test('a target that fails is asked again under the same id, ever later, and then has it', async (t) => {
  const { url, received } = await receiver(t, status(500, 302, 200));
  const { database, webhooks, clock } = await tell(t, [target(url)]);
  await promote(database);
  const first = await until(webhooks, ({ attempts }) => attempts === 1);
  t.match(first, { state: 'pending', last_status: 500, next_at: new Date(clock.now + 2_500).toISOString() });
  clock.now += 2_500;
  const second = await until(webhooks, ({ attempts }) => attempts === 2);
  t.match(second, {
    last_status: 302,
    last_error: 'the target answered 302',
    next_at: new Date(clock.now + 5_000).toISOString(),
  });
  clock.now += 5_000;
  await until(webhooks, ({ state }) => state === 'delivered');
  const [a, b, c] = received.map(({ headers }) => headers);
  t.equal(new Set([a, b, c].map((headers) => headers?.['webhook-id'])).size, 1);
  t.equal(
    Number(c?.['webhook-timestamp']) - Number(a?.['webhook-timestamp']),
    7,
    'each attempt is signed for its own time',
  );
});

/** An address where nobody listens: the port was free a moment ago. */
async function absent(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}/`;
}

t.test('redirects are not followed, and a slow or absent target does not keep others from theirs', async (t) => {
  const elsewhere = await receiver(t, status(200));
  const redirecting = await receiver(t, (reply) => reply.writeHead(307, { location: elsewhere.url }).end());
  const slow = await receiver(t, () => undefined);
  const quick = await receiver(t, status(200));
  const { database, webhooks } = await tell(t, [
    target(redirecting.url, { id: 'redirecting' }),
    target(slow.url, { id: 'slow' }),
    target(await absent(), { id: 'absent' }),
    target(quick.url, { id: 'quick' }),
  ]);
  await promote(database);
  await until(webhooks, (item) => item.target === 'quick' && item.state === 'delivered');
  t.match(await until(webhooks, (item) => item.target === 'absent' && item.attempts === 1), {
    last_error: /no answer: /,
  });
  await until(webhooks, (item) => item.target === 'redirecting' && item.attempts === 1);
  t.equal(elsewhere.received.length, 0);
  t.match(await until(webhooks, (item) => item.target === 'slow'), { state: 'pending', attempts: 0 });
});

t.test('a target that does not answer in time has failed', async (t) => {
  const slow = await receiver(t, () => undefined);
  const { database, webhooks } = await tell(t, [target(slow.url)], { timeoutMs: 100 });
  await promote(database);
  t.match(await until(webhooks, ({ attempts }) => attempts === 1), {
    state: 'pending',
    last_status: null,
    last_error: 'the target took too long',
  });
});

t.test('while nothing can be written nothing is sent', async (t) => {
  const { url, received } = await receiver(t, status(200));
  const real = await openFor(t);
  let looks = 0;
  const health = () => ({ ...real.health(), writing: (looks += 1) < 5 ? ('restarting' as const) : ('open' as const) });
  await promote(real);
  await real.run('spreadEvents', { targets: [{ id: 'ops', types: null }], at: AT });
  const sentBefore: number[] = [];
  const watched = () => (sentBefore.push(received.length), health());
  const { webhooks } = await tell(t, [target(url)], { database: { ...real, kysely: real.kysely, health: watched } });
  await until(webhooks, ({ state }) => state === 'delivered');
  t.strictSame(sentBefore.slice(0, 5), [0, 0, 0, 0, 0]);
});

t.test('a target whose answers cannot be noted is left alone for ever longer, and then has it', async (t) => {
  const { url, received } = await receiver(t, status(200));
  const real = await openFor(t);
  let full = true;
  const run = ((name, input) =>
    full && name === 'noteAttempt'
      ? Promise.reject(new Problem('storage-full', 'no space'))
      : real.run(name, input)) as Database['run'];
  let looks = 0;
  const health = () => ((looks += 1), real.health());
  let faults = 0;
  const log = { error: () => void (faults += 1) };
  const { webhooks, clock } = await tell(t, [target(url)], { database: { ...real, run, health }, log });
  await promote(real);
  for (const [n, waits] of [2_500, 5_000, 10_000].entries()) {
    while (faults <= n) await pause(2);
    const seen = looks;
    clock.now += waits - 1;
    while (looks < seen + 5) await pause(2);
    t.equal(received.length, n + 1);
    clock.now += 1;
  }
  full = false;
  clock.now += HOUR_MS;
  await until(webhooks, ({ state }) => state === 'delivered');
  t.ok(faults <= 4);
});

t.test('it is given up after a day, or at once when the target is gone; a replay starts anew', async (t) => {
  const { url, received } = await receiver(t, status(503, 503, 410, 200));
  const { database, webhooks, clock } = await tell(t, [target(url)]);
  await promote(database);
  await until(webhooks, ({ attempts }) => attempts === 1);
  clock.now += 24 * HOUR_MS;
  const { id } = await until(webhooks, ({ state, attempts }) => state === 'failed' && attempts === 2);
  t.match(await webhooks.replay(id, BY), { state: 'pending', attempts: 0, ended_at: null });
  t.match(await until(webhooks, ({ state }) => state === 'failed'), { attempts: 1, last_status: 410 });
  await webhooks.replay(id, BY);
  t.match(await until(webhooks, ({ state }) => state === 'delivered'), { attempts: 1 });
  t.equal(received.length, 4);
  await t.rejects(webhooks.replay('unknown', BY), { code: 'not-found' });
  const acts = (await listAudit(database.kysely, { limit: 9 })).items.filter(({ act }) => act === 'webhook.replay');
  t.match(acts, [
    { ...BY, subject_id: id },
    { ...BY, subject_type: 'delivery', subject_id: id },
  ]);
  t.equal(acts.length, 2);
});

t.test('a process killed between the commit and the delivery has told it after the next start', async (t) => {
  const { url, received } = await receiver(t, status(200));
  const file = fileIn(t);
  const child = fork(CHILD, ['promote', file], { execArgv: [] });
  await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const { webhooks } = await tell(t, [target(url)], { database: await openFor(t, file) });
  await until(webhooks, ({ state }) => state === 'delivered');
  t.match(
    received.map(({ body }) => JSON.parse(body) as unknown),
    [{ type: 'adapter.promoted' }],
  );
});

t.test('closing breaks a delivery off without counting it; the next start delivers', async (t) => {
  const { url, received } = await receiver(t, (reply, n) => (n === 1 ? undefined : reply.writeHead(200).end()));
  const { database, webhooks } = await tell(t, [target(url)]);
  await promote(database);
  while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await webhooks.close();
  const next = await tell(t, [target(url)], { database });
  t.match(await until(next.webhooks, ({ state }) => state === 'delivered'), { attempts: 1 });
});

t.test('a delivery to a target that is configured no more ends', async (t) => {
  const { url } = await receiver(t, status(500));
  const { database, webhooks } = await tell(t, [target(url)]);
  await promote(database);
  await until(webhooks, ({ attempts }) => attempts === 1);
  await webhooks.close();
  const next = await tell(t, [], { database });
  t.match(await until(next.webhooks, ({ state }) => state === 'failed'), {
    last_error: 'the target is not configured',
  });
});

t.test('pauses double from five seconds to two hours, drawn from their upper half', async (t) => {
  const most = [0, 1, 2, 10, 11, 500].map((attempts) => backOff(attempts, () => 1));
  t.strictSame(most, [5_000, 10_000, 20_000, 5_120_000, 7_200_000, 7_200_000]);
  t.equal(
    backOff(1, () => 0),
    5_000,
  );
});

const GOOD = { id: 'ops', url: 'https://example.org/hook', secret: SECRET };
const REFUSED: readonly (readonly [string, unknown, RegExp])[] = [
  ['no object', [], /expected \{"targets"/],
  ['an unknown field', { targets: [{ ...GOOD, header: 'x' }] }, /\/targets\/0\/header is not known/],
  ['no id', { targets: [{ ...GOOD, id: '' }] }, /\/targets\/0\/id/],
  ['an id twice', { targets: [GOOD, GOOD] }, /\/targets\/1\/id is another/],
  ['plain HTTP elsewhere', { targets: [{ ...GOOD, url: 'http://example.org/' }] }, /only on loopback/],
  ['a password', { targets: [{ ...GOOD, url: 'https://a:b@example.org/' }] }, /without user/],
  ['a file', { targets: [{ ...GOOD, url: 'file:///etc/passwd' }] }, /expected an https/],
  ['a weak secret', { targets: [{ ...GOOD, secret: 'whsec_YWJj' }] }, /\/targets\/0\/secret: expected whsec_/],
  ['no secret', { targets: [{ ...GOOD, secret: [] }] }, /secret: expected/],
  [
    'an unknown event',
    { targets: [{ ...GOOD, types: ['run.started'] }] },
    /\/targets\/0\/types: expected a list of run.ended/,
  ],
];

t.test('targets are read from their file; faults name the field and never the secret', async (t) => {
  const file = path.join(t.testdir(), 'webhooks.json');
  const write = (value: unknown): void =>
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  write({
    targets: [GOOD, { ...GOOD, id: 'two', url: 'http://[::1]:80/', secret: [SECRET, SECRET], types: ['run.ended'] }],
  });
  t.match(await readTargets(file), [
    { id: 'ops', types: null },
    { id: 'two', types: ['run.ended'] },
  ]);
  for (const [name, value, message] of REFUSED) {
    write(value);
    await t.rejects(readTargets(file), { message }, name);
  }
  write(`{"targets": [{"secret": "${SECRET}"`);
  const told = await readTargets(file).catch((error: Error) => error.message);
  t.match(told, /is no JSON/);
  t.notMatch(told, SECRET);
  await t.rejects(readTargets(`${file}.absent`), { message: /cannot be read: ENOENT/ });
  t.strictSame(await readTargets(null), []);
});
