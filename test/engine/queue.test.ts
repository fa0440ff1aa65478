import t from 'tap';
import { type Pace, Queue, type QueueLimits } from '../../src/engine/queue.js';
import { Request } from '../../src/engine/request.js';

const EVERYTHING = { tokens: 1e6, rows: 1e6, ageMs: 0 };
const LIMITS: QueueLimits = { queuePairs: 10, queueTokens: 1150, longestWaitMs: 15_000 };
const PACE: Pace = { tokensPerSecond: 100, running: 0, now: 0 };
const queueOf = (limits: Partial<QueueLimits> = {}): Queue => new Queue({ ...LIMITS, ...limits });
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
  ['as many tokens as may wait, padding included', [60], [40], true],
  ['one token too many with its padding', [60], [41], false],
  ['a request of more pairs than may wait, alone', [], [1, 1, 1, 1, 1], true],
  ['a request of more tokens than may wait, alone', [], [90, 90], true],
  ['the same behind another', [1], [90, 90], false],
];

t.test('a request that does not fit is refused whole', async (t) => {
  for (const [name, before, next, fits] of FULL) {
    const queue = queueOf({ queuePairs: 4, queueTokens: 115 });
    queue.push(request(before), PACE);
    const push = (): void => queue.push(request(next), PACE);
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

t.test('the refusal tells in how many seconds there is room', async (t) => {
  const table: [string, readonly number[], Partial<QueueLimits>, readonly number[], Partial<Pace>, number][] = [
    ['one pair has to go', [250], { queuePairs: 1 }, [1], {}, 3],
    ['two of four pairs have to go', [100, 100, 100, 100], { queuePairs: 4 }, [1, 1], {}, 2],
    ['so many tokens have to go', [500, 500], {}, [250], {}, 3],
    ['more than waits is asked for', [100], { queueTokens: 115 }, [200], {}, 1],
    ['no child has measured itself yet', [250], { queuePairs: 1 }, [1], { tokensPerSecond: 0 }, 1],
  ];
  for (const [name, before, limits, next, pace, retryAfter] of table) {
    const queue = queueOf(limits);
    queue.push(request(before), PACE);
    t.match(
      refusalOf(() => queue.push(request(next), { ...PACE, ...pace })),
      { code: 'queue-full', retryAfter },
      name,
    );
  }
});

/** 1000 tokens wait, and each 100 are counted as 1.5 s. */
const LATE: [name: string, tokens: number, deadline: number, pace: Partial<Pace>, retryAfter: number | null][] = [
  ['all that waits and itself can be done by then', 100, 16_500, {}, null],
  ['it would be a moment too late', 100, 16_499, {}, 1],
  ['it would be much too late', 100, 6500, {}, 10],
  ['never, by itself', 100_000, 5000, {}, 15],
  ['with what the children have it is too late', 100, 16_500, { running: 100 }, 2],
  ['the clock has gone on', 100, 16_500, { now: 1 }, 1],
  ['nothing may wait so long', 100, 1e9, { tokensPerSecond: 50 }, 15],
  ['no rate is known', 100, 1e9, { tokensPerSecond: 0 }, 1],
];

t.test('work is let in when it can be done by its deadline, and nothing waits too long', async (t) => {
  for (const [name, tokens, deadline, pace, retryAfter] of LATE) {
    const queue = queueOf({ queueTokens: 1e9 });
    const ask = (): void => queue.reserve({ pairs: 1, tokens, deadline }, { ...PACE, ...pace })();
    t.doesNotThrow(ask, `${name}: not where nothing waits`);
    queue.push(request([500, 500]), PACE);
    if (retryAfter === null) t.doesNotThrow(ask, name);
    else t.match(refusalOf(ask), { code: 'queue-full', status: 429, retryAfter }, name);
  }
});

t.test('room that is kept counts as taken until it is given back', async (t) => {
  const queue = queueOf();
  const end = queue.reserve({ pairs: 9, tokens: 600, deadline: 1e9 }, PACE);
  const work = { pairs: 1, tokens: 400, deadline: 1e9 };
  t.doesNotThrow(() => queue.reserve(work, PACE)());
  t.match(
    refusalOf(() => queue.reserve({ ...work, pairs: 2 }, PACE)),
    { code: 'queue-full' },
  );
  t.match(
    refusalOf(() => queue.reserve({ ...work, tokens: 401 }, PACE)),
    { code: 'queue-full' },
  );
  t.match(
    refusalOf(() => queue.reserve({ ...work, deadline: 1000 }, PACE)),
    { code: 'queue-full' },
    'it is ahead',
  );
  t.match(
    refusalOf(() => queue.push(request([1, 1]), PACE)),
    { code: 'queue-full' },
    'for rows too',
  );
  t.same([queue.length, queue.tokens], [0, 0]);
  end();
  end();
  t.doesNotThrow(() => queue.push(request(Array.from({ length: 10 }, () => 100)), PACE));
});

t.test('what is past its deadline is told and not taken', async (t) => {
  const queue = queueOf();
  const make = (deadline: number) => new Request([new Int32Array(5)], { adapters: [null], deadline }, 0);
  const [late, early, none] = [make(100), make(101), request([5])];
  const told = t.rejects(late.answer, { code: 'deadline', status: 503 });
  for (const one of [late, early, none]) queue.push(one, PACE);
  const batch = queue.take(EVERYTHING, 100);
  t.strictSame(
    batch.map((entry) => entry.request === late),
    [false, false],
  );
  await told;
  t.same([queue.length, queue.tokens], [0, 0]);
});

t.test('the number of tokens follows what is pushed, taken, restored and dropped', async (t) => {
  const queue = queueOf();
  const [first, second] = [request([5, 6], 1), request([7], 2)];
  queue.push(first, PACE);
  queue.push(second, PACE);
  t.same([queue.length, queue.tokens, queue.oldestSince], [3, 18, 1]);
  const batch = queue.take({ ...EVERYTHING, rows: 1 }, 0);
  t.same([batch.length, queue.tokens], [1, 13]);
  queue.restore(batch);
  t.equal(queue.tokens, 18);
  queue.drop(first);
  t.same([queue.length, queue.tokens, queue.oldestSince], [1, 7, 2]);
});

t.test('what is restored stands in front, the oldest first', async (t) => {
  const queue = queueOf();
  for (const [length, since] of [
    [9, 1],
    [8, 2],
    [7, 3],
  ] as const)
    queue.push(request([length], since), PACE);
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
  const queue = queueOf();
  const requests = [request([1, 1]), request([1])];
  for (const one of requests) queue.push(one, PACE);
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
  const queue = queueOf({ queueTokens: 115 });
  queue.push(request([5, 5, 5, 5], 0, 'x', 'y'), PACE);
  t.equal(queue.tokens, 40);
  t.throws(() => queue.push(request([31], 0, 'x', 'y'), PACE), { code: 'queue-full' });
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
