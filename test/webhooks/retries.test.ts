/** Targets that fail, dawdle, redirect or are gone: when they are asked again, and when no more. */
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { listAudit } from '../../src/db/audit.js';
import type { Database } from '../../src/db/database.js';
import { Problem } from '../../src/errors.js';
import { backOff } from '../../src/webhooks/deliver.js';
import { openFor } from '../db/fixtures/open.js';
import { absent, receiver, status } from './fixtures/receiver.js';
import { promote, target, tell, until } from './fixtures/telling.js';

t.setTimeout(60_000);
const BY = { actor: 'key-1', role: 'operator' } as const;
const HOUR_MS = 3_600_000;

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

t.test('pauses double from five seconds to two hours, drawn from their upper half', async (t) => {
  const most = [0, 1, 2, 10, 11, 500].map((attempts) => backOff(attempts, () => 1));
  t.strictSame(most, [5_000, 10_000, 20_000, 5_120_000, 7_200_000, 7_200_000]);
  t.equal(
    backOff(1, () => 0),
    5_000,
  );
});
