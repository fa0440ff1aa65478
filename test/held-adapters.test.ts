import t from 'tap';
import { HeldAdapters } from '../src/held-adapters.js';
import type { ClassifyOptions, Engine } from '../src/engine/engine.js';

type Tensors = Parameters<Engine['hold']>[1];

const TENSORS: Tensors = { modules: new Map(), head: { weight: new Float32Array(), bias: new Float32Array() } };

/** An engine that only knows what it holds, and refuses to answer with anything else. */
function setUp(most: number) {
  const slow = { promise: Promise.resolve(), end: (): void => undefined };
  slow.promise = new Promise((resolve) => (slow.end = resolve));
  const held = new Set<string>();
  const loads: string[] = [];
  const judged: (string | null)[] = [];
  const answer = { refuses: false };
  const adapters = new HeldAdapters({
    most,
    load: async (digest) => {
      loads.push(digest);
      if (digest === 'broken') throw new Error('broken');
      if (digest === 'slow') await slow.promise;
      return TENSORS;
    },
    engine: {
      hold: async (digest) => void held.add(digest),
      forget: (digest) => void held.delete(digest),
      classify: async (rows, { adapter = null } = {}) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (adapter !== null && !held.has(adapter)) throw new Error(`${adapter} is not held`);
        if (answer.refuses) throw new Error('the queue is full');
        judged.push(adapter);
        return rows.map(() => (adapter === 'infinite' ? null : Float32Array.of(1)));
      },
    },
  });
  const judge = (adapter: string | null, options: ClassifyOptions = {}) =>
    adapters.classify([Int32Array.of(1)], { adapter, ...options });
  return { adapters, held, loads, judged, answer, judge, endSlow: () => slow.end() };
}

t.test('an adapter is loaded at first need, and once for all who need it then', async (t) => {
  const { loads, held, judge } = setUp(2);
  await Promise.all([judge('a'), judge('a'), judge(null), judge('a')]);
  await judge('a');
  t.strictSame(loads, ['a']);
  t.strictSame([...held], ['a']);
});

t.test('the least recently used goes first, the active one never', async (t) => {
  const { adapters, held, judge } = setUp(2);
  await judge('a');
  adapters.pin('a');
  for (const digest of ['b', 'c', 'b', 'd']) await judge(digest);
  t.strictSame([...held].sort(), ['a', 'b', 'd']);
});

t.test('what was active is kept for a rollback', async (t) => {
  const { adapters, held, judge } = setUp(2);
  await judge('old');
  adapters.pin('old');
  await judge('x');
  await judge('y');
  await judge('new');
  adapters.pin('new');
  t.strictSame([...held].sort(), ['new', 'old', 'y']);
});

t.test('what is in use is not let go, and no more are taken then', async (t) => {
  const { adapters, held, loads, judge } = setUp(1);
  let release!: () => void;
  const busy = adapters.use('a', () => new Promise<void>((resolve) => (release = resolve)));
  await t.rejects(judge('b'), { code: 'queue-full', message: /at most 1/ });
  await adapters.use('c', async () => t.strictSame([...held].sort(), ['a', 'c']), { always: true });
  t.strictSame([...held], ['a'], 'only a promotion goes over the bound, and not for long');
  release();
  await busy;
  await judge('b');
  t.strictSame([...held], ['b']);
  t.strictSame(loads, ['a', 'c', 'b']);
});

t.test('whether an adapter is usable is asked once for as long as it is held', async (t) => {
  const { adapters, judged, answer, judge } = setUp(1);
  answer.refuses = true;
  await t.rejects(adapters.isUsable('a'), /queue is full/);
  answer.refuses = false;
  t.equal(await adapters.isUsable('a'), true, 'what could not be asked is asked again');
  t.equal(await adapters.isUsable('a'), true);
  t.strictSame(judged, ['a']);
  t.equal(await adapters.isUsable('infinite'), false);
  await judge('b');
  t.equal(await adapters.isUsable('a'), true);
  t.strictSame(judged, ['a', 'infinite', 'b', 'a'], 'it was let go, and is asked anew');
});

t.test('under any load every answer is by an adapter that is held', async (t) => {
  const { adapters, held, judge } = setUp(3);
  const names = Array.from({ length: 200 }, (_, i) => `adapter ${(i * i) % 7}`);
  const outcomes = await Promise.allSettled(
    names.map(async (name, i) => {
      if (i % 10 === 0) await adapters.use(name, async () => adapters.pin(name), { always: true });
      return judge(name);
    }),
  );
  const faults = outcomes.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code?: string }).code] : []));
  t.strictSame(new Set(faults), new Set(['queue-full']));
  t.ok(faults.length < 150);
  t.ok(held.size <= 4);
});

t.test('one that could not be loaded is tried again at the next need', async (t) => {
  const { loads, judge } = setUp(1);
  await t.rejects(judge('broken'), { message: 'broken' });
  await t.rejects(judge('broken'), { message: 'broken' });
  t.strictSame(loads, ['broken', 'broken']);
});

t.test(
  'an adapter that loads slowly is waited for until the deadline or the client goes; others wait on',
  async (t) => {
    const { held, loads, judge, endSlow } = setUp(1);
    const client = new AbortController();
    const gone = judge('slow', { signal: client.signal }).catch((error: unknown) => error);
    await t.rejects(judge('slow', { deadline: performance.now() + 20 }), { code: 'deadline', status: 503 });
    await t.rejects(judge('slow', { deadline: performance.now() - 1 }), { code: 'deadline' }, 'which has passed');
    client.abort(new Error('gone'));
    t.match(await gone, { message: 'gone' });
    await t.rejects(judge('other'), { code: 'queue-full' }, 'what is being loaded is in use');
    const waits = judge('slow', { deadline: performance.now() + 60_000 });
    endSlow();
    t.strictSame(await waits, [Float32Array.of(1)]);
    t.strictSame([loads, [...held]], [['slow'], ['slow']]);
    await judge('other');
    t.strictSame([...held], ['other'], 'then it may go');
  },
);
