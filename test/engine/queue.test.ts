import t from 'tap';
import { Queue } from '../../src/engine/queue.js';
import { Request } from '../../src/engine/request.js';

const EVERYTHING = { tokens: 1e6, rows: 1e6, ageMs: 0 };
const request = (lengths: readonly number[], since = 0, ...adapters: (string | null)[]): Request => {
  const made = new Request(
    lengths.map((length) => new Int32Array(length)),
    { adapters: adapters.length === 0 ? [null] : adapters },
    since,
  );
  made.answer.catch(() => undefined);
  return made;
};

const FULL: [string, readonly number[], readonly number[], boolean][] = [
  ['as many pairs as may wait', [1, 1, 1], [1], true],
  ['one pair too many', [1, 1, 1], [1, 1], false],
  ['as many tokens as may wait', [60], [40], true],
  ['one token too many', [60], [41], false],
  ['a request larger than the whole queue', [], [1, 1, 1, 1, 1], false],
];

t.test('a request that does not fit is refused whole', async (t) => {
  for (const [name, before, next, fits] of FULL) {
    const queue = new Queue({ queuePairs: 4, queueTokens: 100 });
    queue.push(request(before), 10);
    const push = (): void => queue.push(request(next), 10);
    if (fits) t.doesNotThrow(push, name);
    else t.throws(push, { name: 'Problem', code: 'queue-full', status: 429 }, name);
    t.equal(queue.length, before.length + (fits ? next.length : 0), `${name}: rows`);
  }
});

function refusalOf(push: () => void): unknown {
  try {
    push();
  } catch (error) {
    return error;
  }
  return undefined;
}

t.test('the refusal tells in how many seconds the rest is done', async (t) => {
  const queue = new Queue({ queuePairs: 1, queueTokens: 1000 });
  queue.push(request([250]), 100);
  t.match(
    refusalOf(() => queue.push(request([1]), 100)),
    { retryAfter: 3 },
  );
  t.match(
    refusalOf(() => queue.push(request([1]), 0)),
    { retryAfter: 1 },
    'no child has measured itself yet',
  );
});

t.test('the number of tokens follows what is pushed, taken, restored and dropped', async (t) => {
  const queue = new Queue({ queuePairs: 10, queueTokens: 1000 });
  const [first, second] = [request([5, 6], 1), request([7], 2)];
  queue.push(first, 1);
  queue.push(second, 1);
  t.same([queue.length, queue.tokens, queue.oldestSince], [3, 18, 1]);
  const batch = queue.take({ ...EVERYTHING, rows: 1 }, 0);
  t.same([batch.length, queue.tokens], [1, 13]);
  queue.restore(batch);
  t.equal(queue.tokens, 18);
  queue.drop(first);
  t.same([queue.length, queue.tokens, queue.oldestSince], [1, 7, 2]);
});

t.test('what is restored stands in front, the oldest first', async (t) => {
  const queue = new Queue({ queuePairs: 10, queueTokens: 1000 });
  for (const [length, since] of [
    [9, 1],
    [8, 2],
    [7, 3],
  ] as const)
    queue.push(request([length], since), 1);
  const batch = queue.take({ ...EVERYTHING, rows: 2 }, 0);
  t.strictSame(
    batch.map(({ length }) => length),
    [8, 9],
  );
  queue.restore(batch);
  t.equal(queue.oldestSince, 1);
  t.strictSame(
    queue.take({ ...EVERYTHING, tokens: 1 }, 0).map(({ length }) => length),
    [9],
  );
});

t.test('failing the queue fails every request in it', async (t) => {
  const queue = new Queue({ queuePairs: 10, queueTokens: 1000 });
  const requests = [request([1, 1]), request([1])];
  for (const one of requests) queue.push(one, 1);
  queue.fail(new Error('gone'));
  for (const one of requests) await t.rejects(one.answer, { message: 'gone' });
  t.same([queue.length, queue.tokens], [0, 0]);
});

t.test('rows share a batch where the same adapters judge them', async (t) => {
  const keys = [[], ['x'], ['y', 'z'], ['y', 'z'], ['x']].map((by) => request([1], 0, ...by).entries[0]!.key);
  t.equal(keys[2], keys[3]);
  t.equal(keys[1], keys[4]);
  t.equal(new Set(keys).size, 3);
});

t.test('a row that two adapters judge takes the room of two', async (t) => {
  const queue = new Queue({ queuePairs: 10, queueTokens: 100 });
  queue.push(request([5, 5, 5, 5], 0, 'x', 'y'), 1);
  t.equal(queue.tokens, 40);
  t.throws(() => queue.push(request([31], 0, 'x', 'y'), 1), { code: 'queue-full' });
  t.equal(queue.take({ ...EVERYTHING, tokens: 30 }, 0).length, 3);
  t.equal(queue.take({ ...EVERYTHING, rows: 2 }, 0).length, 1);
});

t.test('a request that two adapters judge is answered row by row, each by both', async (t) => {
  const one = request([1, 2], 0, 'x', 'y');
  for (const place of [3, 0, 2, 1]) one.fill(place, Float32Array.of(place));
  t.strictSame(
    await one.answer,
    [0, 1, 2, 3].map((place) => Float32Array.of(place)),
  );
});

t.test('a request settles when its last row is filled, its rows in their order', async (t) => {
  const one = request([1, 2]);
  one.fill(1, Float32Array.of(2));
  t.notOk(one.settled);
  one.fill(0, null);
  t.ok(one.settled);
  t.strictSame(await one.answer, [null, Float32Array.of(2)]);
});
