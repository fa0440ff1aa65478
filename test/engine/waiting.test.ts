/** Rows that wait: their clients leave, their deadlines pass, the queue is full. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { ROW, ROWS, answersWith, open, signal } from './fixtures/children.js';

t.test('what waits is dropped when its client goes, what runs is not disturbed', async (t) => {
  const { engine, expected } = await open(t, { batchRows: 4 });
  signal(engine, 'SIGSTOP');
  const running = engine.classify(ROWS.toSorted((a, b) => a.length - b.length).slice(0, 1));
  const stays = engine.classify(ROWS);
  const client = new AbortController();
  const leaves = engine.classify(ROWS, { signal: client.signal }).catch((error: unknown) => error);
  t.equal(engine.status().queuedPairs, 2 * ROWS.length);
  client.abort(new Error('gone'));
  t.match(await leaves, { message: 'gone' });
  t.equal(engine.status().queuedPairs, ROWS.length);
  signal(engine, 'SIGCONT');
  await answersWith(t, stays, expected);
  await running;
  t.equal(engine.status().totals.rows, ROWS.length + 1);
});

t.test('a client that leaves while its rows are judged gets its reason; one that had left is not let in', async (t) => {
  const { engine, expected } = await open(t);
  signal(engine, 'SIGSTOP');
  const client = new AbortController();
  const leaves = engine.classify([ROW], { signal: client.signal }).catch((error: unknown) => error);
  client.abort(new Error('gone'));
  t.match(await leaves, { message: 'gone' });
  await t.rejects(engine.classify([ROW], { signal: client.signal }), { message: 'gone' });
  signal(engine, 'SIGCONT');
  await answersWith(t, engine.classify(ROWS), expected);
});

t.test('a request past its deadline is told, and does not wait any more', async (t) => {
  const { engine } = await open(t);
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const late = engine.classify(ROWS, { deadline: performance.now() + 20 });
  await t.rejects(late, { code: 'deadline', status: 503 });
  t.equal(engine.status().queuedPairs, 0);
  signal(engine, 'SIGCONT');
  await running;
});

t.test('what is past its deadline when its child comes back is not judged', async (t) => {
  const { engine } = await open(t);
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const late = engine.classify(ROWS, { deadline: performance.now() + 30 });
  const told = t.rejects(late, { code: 'deadline' });
  signal(engine, 'SIGCONT');
  const until = performance.now() + 60;
  while (performance.now() < until); // nothing of this process runs, its timers neither
  await running;
  await told;
  t.match(engine.status().totals, { rows: 1 });
});

t.test('work is refused that cannot be done in time, as soon as something waits', async (t) => {
  const { engine, expected } = await open(t, { queueTokens: 1e9 });
  const { tokensPerSecond } = engine.status();
  t.ok(tokensPerSecond > 0, 'measured at the start');
  const work = { pairs: 1, tokens: Math.ceil(tokensPerSecond), deadline: performance.now() + 500 };
  t.doesNotThrow(() => engine.reserve(work)(), 'nothing waits');
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const waiting = engine.classify(ROWS);
  t.throws(() => engine.reserve(work), { code: 'queue-full', retryAfter: Number });
  t.doesNotThrow(() => engine.reserve({ ...work, deadline: performance.now() + 60_000 })(), 'later would do');
  await new Promise((resolve) => setTimeout(resolve, 300));
  signal(engine, 'SIGCONT');
  await answersWith(t, waiting, expected);
  await running;
  t.ok(engine.status().tokensPerSecond < tokensPerSecond, 'what took long is remembered');
  await engine.close();
  t.throws(() => engine.reserve(work), { code: 'unavailable' });
});

t.test('a full queue refuses at once and keeps what it has', async (t) => {
  const { engine, expected } = await open(t, { queuePairs: ROWS.length });
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const waiting = engine.classify(ROWS);
  let refused: unknown;
  void engine.classify([ROW]).catch((error: unknown) => (refused = error));
  await turn();
  t.match(refused, { code: 'queue-full', status: 429 }, 'while the child still stands');
  signal(engine, 'SIGCONT');
  await answersWith(t, waiting, expected);
  await running;
});

t.test('rows take the room that was kept for them', async (t) => {
  const { engine, expected } = await open(t, { queuePairs: ROWS.length });
  signal(engine, 'SIGSTOP');
  const running = engine.classify([ROW]);
  const work = { pairs: ROWS.length, tokens: 1, deadline: performance.now() + 60_000 };
  const reserved = engine.reserve(work);
  await t.rejects(engine.classify([ROW]), { code: 'queue-full' });
  const waiting = engine.classify(ROWS, { reserved });
  await turn();
  t.equal(engine.status().queuedPairs, ROWS.length);
  reserved();
  signal(engine, 'SIGCONT');
  await answersWith(t, waiting, expected);
  await running;
});
