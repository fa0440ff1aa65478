/** What happens is told, signed, to those who want it, at least once: across a kill, a stop and a database that is closed. */
import { fork } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fileIn, openFor } from '../db/fixtures/open.js';
import { receiver, status } from './fixtures/receiver.js';
import { AT, KEY, PROMOTION, promote, target, tell, until } from './fixtures/telling.js';

t.setTimeout(60_000);
const CHILD = fileURLToPath(new URL('../db/fixtures/child.js', import.meta.url));

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
