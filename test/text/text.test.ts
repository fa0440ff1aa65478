/** The door, with real worker threads: answers, losses and the end. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { Pool } from '../../src/text/pool.js';
import { encodePair } from '../../src/text/pair.js';
import { readStart, startWorker } from '../../src/text/start.js';
import { openText, type PairTexts, type TextOptions } from '../../src/text/text.js';
import { loadTokenizer, locate, readJson, TINY } from './tokenizers.js';

const PATIENCE_MS = 60_000;
const LIMITS = { maxTokens: 64, maxCharacters: 20_000 };
const OPTIONS: TextOptions = {
  tokenizerPath: locate(`${TINY}/tokenizer.json`),
  tokenizerConfigPath: locate(`${TINY}/tokenizer_config.json`),
  ...LIMITS,
};

const tokenizer = loadTokenizer(TINY);
const expected = (pairs: readonly PairTexts[]): unknown => pairs.map((pair) => encodePair(tokenizer, pair, LIMITS));
const numbered = (i: number): PairTexts => ({ premise: `Premise ${i}: the dog runs.`, hypothesis: `A dog ${i}.` });
const PAIRS = [
  numbered(0),
  { premise: ' ', hypothesis: 'a' },
  { premise: 'long '.repeat(500), hypothesis: 'It is long.' },
  { premise: 'a', hypothesis: 'b'.repeat(20_001) },
  numbered(1),
];

/** A pool of real workers, and the workers, to be killed. */
async function openPool(options: { workers?: number; patienceMs?: number; start?: TextOptions } = {}) {
  const { workers = 1, patienceMs = PATIENCE_MS } = options;
  const start = await readStart(options.start ?? OPTIONS);
  const started: Worker[] = [];
  const startKept = (): Worker => {
    const worker = startWorker(start);
    started.push(worker);
    return worker;
  };
  return { started, pool: await Pool.open({ workers, patienceMs, start: startKept }) };
}

/** A tokenizer whose normaliser backtracks without end on STUCK, as a hostile or careless tokenizer.json may. */
const STUCK: PairTexts = { premise: 'x'.repeat(60), hypothesis: 'a' };
function stuckTokenizer(directory: string): TextOptions {
  return { ...OPTIONS, tokenizerPath: `${directory}/tokenizer.json`, tokenizerConfigPath: null };
}
const STUCK_FILES = {
  'tokenizer.json': JSON.stringify({
    ...(readJson(`${TINY}/tokenizer.json`) as object),
    normalizer: { type: 'Replace', pattern: { Regex: '(x+)+y' }, content: '' },
  }),
};

/** Resolves when the worker numbered `i` has started and said that it can encode. */
async function whenReady(started: readonly Worker[], i: number): Promise<Worker> {
  while (started[i] === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  const worker = started[i];
  await new Promise((resolve) => worker.once('message', resolve));
  return worker;
}

t.test('pairs come back in order, each encoded or in trouble', async (t) => {
  const text = await openText(OPTIONS);
  t.strictSame(await text.encode(PAIRS), expected(PAIRS));
  t.same(await text.encode([]), []);
  await text.close();
});

t.test('many requests at once each get their own pairs', async (t) => {
  for (const workers of [1, 2]) {
    const text = await openText({ ...OPTIONS, workers });
    const requests = Array.from({ length: 200 }, (_, i) => [...PAIRS.slice(i % 5), numbered(i)]);
    const answers = await Promise.all(requests.map((pairs) => text.encode(pairs)));
    t.strictSame(answers, requests.map(expected), `${workers} workers`);
    await text.close();
  }
});

t.test('a large request does not keep a small one waiting', async (t) => {
  const text = await openText(OPTIONS);
  const ended: string[] = [];
  const large = Array.from({ length: 1_000 }, (_, i) => numbered(i));
  const answers = [
    text.encode(large).finally(() => ended.push('large')),
    text.encode(PAIRS).finally(() => ended.push('small')),
  ];
  t.strictSame(await Promise.all(answers), [expected(large), expected(PAIRS)]);
  t.same(ended, ['small', 'large']);
  await text.close();
});

t.test('ids have memory of their own', async (t) => {
  const text = await openText(OPTIONS);
  const [first] = await text.encode([numbered(0), numbered(1)]);
  t.ok(first !== undefined && 'ids' in first && first.ids.buffer.byteLength === first.ids.byteLength);
  await text.close();
});

t.test('a worker killed at work is replaced and its requests are answered', async (t) => {
  const { pool, started } = await openPool();
  const heavy = Array.from({ length: 100 }, () => ({ premise: '\u3300'.repeat(20_000), hypothesis: 'a' }));
  const answers = [pool.encode(heavy), pool.encode(PAIRS), pool.encode([numbered(7)])];
  await started[0]?.terminate();
  const [first, ...others] = await Promise.all(answers);
  t.equal(first?.length, 100);
  t.strictSame(others, [expected(PAIRS), expected([numbered(7)])]);
  t.equal(started.length, 2);
  await pool.close();
});

t.test('a worker that throws is replaced', async (t) => {
  const { pool, started } = await openPool();
  started[0]?.postMessage(null);
  t.strictSame(await pool.encode(PAIRS), expected(PAIRS));
  t.equal(started.length, 2);
  await pool.close();
});

t.test('a request over which two workers are lost is rejected, its neighbours are answered', async (t) => {
  const { pool, started } = await openPool({ start: stuckTokenizer(t.testdir(STUCK_FILES)) });
  const poison = pool.encode([STUCK]);
  const neighbours = [pool.encode([numbered(1)]), pool.encode([numbered(2)])];
  const second = whenReady(started, 1);
  await started[0]?.terminate();
  await (await second).terminate();
  await t.rejects(poison, { code: 'unavailable', message: /lost twice/ });
  for (const neighbour of neighbours) t.match(await neighbour, [{ ids: Int32Array }]);
  t.equal(started.length, 3);
  await pool.close();
});

t.test('a silent worker is killed, and counts as lost', async (t) => {
  const { pool, started } = await openPool({ patienceMs: 5_000, start: stuckTokenizer(t.testdir(STUCK_FILES)) });
  const poison = pool.encode([STUCK]);
  await t.rejects(poison, { code: 'unavailable', cause: { message: /silent for 5000 ms/ } });
  t.match(await pool.encode([numbered(1)]), [{ ids: Int32Array }]);
  t.equal(started.length, 3);
  await pool.close();
});

t.test('when no worker can be started requests are rejected, and answered again later', async (t) => {
  const start = await readStart(OPTIONS);
  const broken = { ...start, tokenizer: { path: 'broken', bytes: new SharedArrayBuffer(1) } };
  const started: Worker[] = [];
  const sources = [start, broken, broken, start];
  const pool = await Pool.open({
    workers: 1,
    patienceMs: PATIENCE_MS,
    start: () => {
      const worker = startWorker(sources[started.length] ?? start);
      started.push(worker);
      return worker;
    },
  });
  await started[0]?.terminate();
  await t.rejects(pool.encode(PAIRS), { code: 'unavailable', cause: { message: /^broken: / } });
  await t.rejects(pool.encode(PAIRS), { code: 'unavailable' });
  t.strictSame(await pool.encode(PAIRS), expected(PAIRS));
  t.equal(started.length, 4);
  await pool.close();
});

t.test('when not even a thread can be had requests are rejected, and answered again later', async (t) => {
  const start = await readStart(OPTIONS);
  const threads = { left: 0, started: [] as Worker[] };
  const startOne = (): Worker => {
    if (threads.left === 0) throw new Error('no more threads');
    threads.left -= 1;
    const worker = startWorker(start);
    threads.started.push(worker);
    return worker;
  };
  const options = { workers: 1, patienceMs: PATIENCE_MS, start: startOne };
  await t.rejects(Pool.open(options), { message: 'no more threads' });
  threads.left = 1;
  const pool = await Pool.open(options);
  await threads.started[0]?.terminate();
  await t.rejects(pool.encode(PAIRS), { code: 'unavailable', cause: { message: 'no more threads' } });
  threads.left = 1;
  t.strictSame(await pool.encode(PAIRS), expected(PAIRS));
  await pool.close();
});

t.test('closing rejects what is at work and what waits, and later requests', async (t) => {
  const { pool } = await openPool({ workers: 2, start: stuckTokenizer(t.testdir(STUCK_FILES)) });
  const requests = Array.from({ length: 5 }, () => pool.encode([STUCK]));
  const rejected = requests.map((request) => t.rejects(request, { code: 'unavailable', message: /closing/ }));
  await pool.close();
  await Promise.all(rejected);
  await t.rejects(pool.encode(PAIRS), { code: 'unavailable', message: /closing/ });
  await pool.close();
});

t.test('too much waiting text is refused at once', async (t) => {
  const { pool } = await openPool({ start: stuckTokenizer(t.testdir(STUCK_FILES)) });
  const large = [{ premise: 'a'.repeat(6_000_000), hypothesis: 'b' }];
  const waiting = [pool.encode([STUCK]), pool.encode(large)].map((request) =>
    t.rejects(request, { code: 'unavailable' }),
  );
  await t.rejects(pool.encode(large), { code: 'queue-full', retryAfter: 1 });
  await pool.close();
  await Promise.all(waiting);
});

t.test('what waits is dropped when its client goes', async (t) => {
  const { pool } = await openPool();
  t.teardown(() => pool.close());
  const heavy = pool.encode(
    Array.from({ length: 64 }, (_, i) => ({ premise: `${i} word`.repeat(2000), hypothesis: 'a' })),
  );
  const client = new AbortController();
  const leaves = pool.encode(PAIRS, client.signal).catch((error: unknown) => error);
  const stays = pool.encode([numbered(3)]);
  client.abort(new Error('gone'));
  t.match(await leaves, { message: 'gone' });
  await t.rejects(pool.encode(PAIRS, client.signal), { message: 'gone' }, 'one that had gone is not let in');
  t.strictSame(await stays, expected([numbered(3)]));
  await heavy;
});

t.test('a tokenizer that is no file is refused, not waited for', async (t) => {
  const pipe = path.join(t.testdir(), 'tokenizer.json');
  execFileSync('mkfifo', [pipe]);
  await t.rejects(openText({ ...OPTIONS, tokenizerPath: pipe }), { message: `${pipe} is not a file` });
});
