import t from 'tap';
import { Problem } from '../../src/errors.js';
import type { JudgeParts } from '../../src/judge/parts.js';
import { softmax } from '../../src/judge/judgement.js';
import { labelMap } from '../../src/labels.js';
import { ADAPTER, judgeWith, pair, recorder } from '../support/judge.js';
import { engineStandIn, textStandIn } from '../support/stand-ins.js';

const answering = (logits: (Float32Array | null)[]) => engineStandIn({ classify: async () => logits });

t.test('softmax sums to one and does not overflow', async (t) => {
  for (const logits of [
    [0, 0, 0],
    [1000, 999, -1000],
    [-1000, -1001],
    [3.5, -2.25, 0.125],
  ]) {
    const shares = softmax(logits);
    t.ok(
      shares.every((share) => share >= 0 && share <= 1),
      String(logits),
    );
    t.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12, String(logits));
  }
  const [first = 0, second = 0] = softmax([Math.log(3), 0]);
  t.ok(Math.abs(first - 0.75) < 1e-15 && Math.abs(second - 0.25) < 1e-15);
});

t.test('a judged pair carries the label of its largest logit', async (t) => {
  const { judge } = judgeWith({ engine: answering([Float32Array.of(0, Math.log(3), 0)]) });
  const { model, adapter, results } = await judge.judge({ pairs: [pair('c1')], adapter: 'active' });
  t.equal(model, 'tiny');
  t.strictSame(adapter, ADAPTER);
  const [result] = results;
  t.match(result, { pair_id: 'c1', label: 'supports', raw_label: 'entailment', truncated: false, error: null });
  t.ok(Math.abs((result?.confidence ?? 0) - 0.6) < 1e-7);
  t.equal(result?.scores?.supports, result?.confidence);
  t.ok(Math.abs((result?.scores?.refutes ?? 0) - 0.2) < 1e-7);
});

t.test('a label the checkpoint lacks scores 0', async (t) => {
  const labels = labelMap({ 0: 'entailment', 1: 'not_entailment' }, 'not_entailment=neutral');
  const { judge } = judgeWith({ labels, engine: answering([Float32Array.of(-1, 2)]) });
  const { results } = await judge.judge({ pairs: [pair('c1')], adapter: 'base' });
  t.match(results[0], { label: 'neutral', raw_label: 'not_entailment', scores: { refutes: 0 } });
});

t.test("a pair's own trouble is its result's error, and the others are judged in their order", async (t) => {
  const engine = answering([
    Float32Array.of(9, 0, 0),
    null,
    Float32Array.of(0, Number.NaN, 0),
    Float32Array.of(0, 9, 0),
  ]);
  const { judge, rows } = judgeWith({ engine });
  const pairs = [
    pair('empty', '  '),
    pair('refuted'),
    pair('null'),
    pair('too-long', 'x'.repeat(20_001)),
    pair('not-finite'),
    pair('supported'),
  ];
  const { results } = await judge.judge({ pairs, adapter: 'active' });
  t.strictSame(
    results.map(({ pair_id }) => pair_id),
    pairs.map(({ pair_id }) => pair_id),
  );
  for (const index of [0, 2, 3, 4]) {
    const { error, ...rest } = results[index] ?? { error: null };
    t.type(error, 'string');
    t.match(rest, { prediction_id: null, label: 'neutral', confidence: 0, raw_label: null, scores: null });
  }
  t.match(
    [results[1], results[5]],
    [
      { label: 'refutes', error: null },
      { label: 'supports', error: null },
    ],
  );
  t.strictSame(
    rows.map(({ pair_id }) => pair_id),
    ['refuted', 'supported'],
    'only judgements are recorded',
  );
});

t.test('pairs that are all in trouble do not reach the engine', async (t) => {
  const engine = engineStandIn();
  const { judge } = judgeWith({ engine });
  await judge.judge({ pairs: [pair('c1', '')], adapter: 'base' });
  t.equal(engine.calls.length, 0);
});

t.test('no pairs have no results', async (t) => {
  const { results } = await judgeWith().judge.judge({ pairs: [], adapter: 'active' });
  t.strictSame(results, []);
});

t.test('the adapter is resolved once and told to the engine by its digest', async (t) => {
  const engine = engineStandIn();
  const { judge } = judgeWith({ engine });
  const { signal } = new AbortController();
  await judge.judge({ pairs: [pair('c1')], adapter: 'v1', signal });
  await judge.judge({ pairs: [pair('c1')], adapter: 'base' });
  t.match(engine.calls[0]?.options, { adapter: 'd1', deadline: 1500 });
  t.equal(engine.calls[0]?.options.signal, signal);
  t.equal(engine.calls[1]?.options.adapter, null);
});

t.test('an unknown adapter is refused by name', async (t) => {
  await t.rejects(judgeWith().judge.judge({ pairs: [pair('c1')], adapter: 'v9' }), {
    code: 'unprocessable',
    errors: [{ pointer: '/adapter' }],
  });
});

t.test('more pairs than the limit are refused', async (t) => {
  const { judge } = judgeWith({ maxPairs: 2 });
  const pairs = [pair('1'), pair('2'), pair('3')];
  await t.rejects(judge.judge({ pairs, adapter: 'base' }), { code: 'too-large', errors: [{ pointer: '/pairs' }] });
});

t.test('each judgement is recorded with what made it', async (t) => {
  const { judge, rows } = judgeWith({ engine: answering([Float32Array.of(0, 5, 0)]) });
  const { results } = await judge.judge({ pairs: [pair('c1')], adapter: 'active' });
  t.equal(results[0]?.prediction_id, 'p-1');
  t.match(rows, [
    {
      id: 'p-1',
      pair_id: 'c1',
      page_id: 'p7',
      premise: 'a premise',
      nli_hypothesis: 'a claim',
      label: 'supports',
      raw_label: 'entailment',
      confidence: results[0]?.confidence,
      model: 'tiny',
      model_digest: 'm1',
      adapter: ADAPTER,
      created_at: '2026-01-02T00:00:00.000Z',
      latency_ms: 0,
    },
  ]);
});

t.test('when recording fails', async (t) => {
  const fault = new Error('disk full');
  await t.test('best-effort answers without prediction_id and tells', async (t) => {
    const failures: [unknown, number][] = [];
    const { judge } = judgeWith({ record: recorder('best-effort', [], failures, fault) });
    const { results } = await judge.judge({ pairs: [pair('c1'), pair('c2')], adapter: 'base' });
    t.strictSame(
      results.map(({ prediction_id, error }) => [prediction_id, error]),
      [
        [null, null],
        [null, null],
      ],
    );
    t.strictSame(failures, [[fault, 2]]);
  });
  await t.test('required fails the request', async (t) => {
    const failures: [unknown, number][] = [];
    const { judge } = judgeWith({ record: recorder('required', [], failures, fault) });
    await t.rejects(judge.judge({ pairs: [pair('c1')], adapter: 'base' }), { code: 'storage-failed' });
    t.equal(failures.length, 1);
  });
  await t.test('off does not try', async (t) => {
    const failures: [unknown, number][] = [];
    const { judge } = judgeWith({ record: recorder('off', [], failures, fault) });
    const { results } = await judge.judge({ pairs: [pair('c1')], adapter: 'base' });
    t.equal(results[0]?.prediction_id, null);
    t.equal(failures.length, 0);
  });
});

t.test("what is the engine's fault fails the whole request", async (t) => {
  const full = new Problem('queue-full', 'full');
  const table: [string, ReturnType<typeof engineStandIn>, Problem | { message: RegExp }][] = [
    ['its own problem', engineStandIn({ classify: () => Promise.reject(full) }), full],
    ['too few rows', answering([]), { message: /answered 0 rows to 1/ }],
    ['other labels', answering([Float32Array.of(1, 2)]), { message: /3 labels.*2 logits/ }],
  ];
  for (const [name, engine, fault] of table) {
    const { judge } = judgeWith({ engine });
    await t.rejects(judge.judge({ pairs: [pair('c1')], adapter: 'base' }), fault, name);
  }
});

t.test('room is kept while the texts are encoded, and given back whatever comes of it', async (t) => {
  const work: unknown[] = [];
  const seen = (engine: ReturnType<typeof engineStandIn>): JudgeParts['text'] => ({
    encode: async (pairs, signal) => (work.push(...engine.reserved), textStandIn.encode(pairs, signal)),
  });
  const engine = engineStandIn();
  const { judge } = judgeWith({ engine, text: seen(engine) });
  const long = pair('c1', 'x'.repeat(393));
  await judge.judge({ pairs: [long, long], adapter: 'base', deadline: 7000 });
  t.strictSame(work, [{ pairs: 2, tokens: 200, deadline: 7000 }]);
  work.length = 0;
  const cut = pair('c1', 'x'.repeat(15_000));
  await judgeWith({ engine, text: seen(engine) }).judge.judge({ pairs: [cut, long], adapter: 'base' });
  t.match(work, [{ tokens: 512 + 100 }], 'what will be cut is not counted');
  t.strictSame(engine.reserved, []);
  const broken = judgeWith({ engine, text: { encode: () => Promise.reject(new Error('broken')) } });
  await t.rejects(broken.judge.judge({ pairs: [long], adapter: 'base' }), { message: 'broken' });
  await t.rejects(judge.judge({ pairs: [long], adapter: 'v9' }), { code: 'unprocessable' });
  t.strictSame(engine.reserved, []);
});

t.test('room is kept until the engine takes the rows, and given back when it does not', async (t) => {
  const taken: number[] = [];
  const engine: ReturnType<typeof engineStandIn> = engineStandIn({
    classify: async (rows, { reserved, adapter }) => {
      taken.push(engine.reserved.length);
      if (adapter !== null) throw new Problem('unavailable', 'no adapter');
      reserved?.();
      taken.push(engine.reserved.length);
      return rows.map(() => Float32Array.of(1, 2, 3));
    },
  });
  const { judge } = judgeWith({ engine });
  await judge.judge({ pairs: [pair('c1')], adapter: 'base' });
  t.strictSame(taken, [1, 0]);
  await t.rejects(judge.judge({ pairs: [pair('c1')], adapter: 'v1' }), { code: 'unavailable' });
  t.strictSame(taken, [1, 0, 1]);
  t.strictSame(engine.reserved, []);
});

t.test('without room nothing is encoded', async (t) => {
  const refusal = new Problem('queue-full', 'full');
  const { judge } = judgeWith({
    engine: engineStandIn({ refusal }),
    text: { encode: () => t.fail('encoded') as never },
  });
  await t.rejects(judge.judge({ pairs: [pair('c1')], adapter: 'active' }), refusal);
  t.throws(() => judge.refuseHopeless(100, 1e9), refusal);
});

t.test('a body is weighed by its bytes, a large one for no more than a few thousand tokens', async (t) => {
  const weighed: number[] = [];
  const reserve: JudgeParts['engine']['reserve'] = ({ tokens }) => (weighed.push(tokens), () => undefined);
  const { judge } = judgeWith({ engine: { ...engineStandIn(), reserve } });
  for (const bytes of [0, 400, 2_000_000]) judge.refuseHopeless(bytes, 1e9);
  t.strictSame(weighed, [0, 100, 4096]);
});

t.test('what is past its deadline is not encoded, and not recorded', async (t) => {
  const { judge, rows } = judgeWith({ text: { encode: () => t.fail('encoded') as never } });
  await t.rejects(judge.judge({ pairs: [pair('c1')], adapter: 'base', deadline: 1000 }), { code: 'deadline' });
  let now = 1000;
  const clock = { now: () => 0, monotonic: () => now };
  const engine = engineStandIn({ classify: async (all) => ((now = 2000), all.map(() => Float32Array.of(1, 2, 3))) });
  const slow = judgeWith({ clock, engine });
  await t.rejects(slow.judge.judge({ pairs: [pair('c1')], adapter: 'base', deadline: 2000 }), { code: 'deadline' });
  t.strictSame([...rows, ...slow.rows], []);
});

t.test('a client that has gone is not judged', async (t) => {
  const engine = engineStandIn();
  const { judge } = judgeWith({ engine });
  const signal = AbortSignal.abort();
  await t.rejects(judge.judge({ pairs: [pair('c1')], adapter: 'base', signal }), { name: 'AbortError' });
  t.equal(engine.calls.length, 0);
});

const never = (): Promise<never> => new Promise(() => undefined);
const request = { pairs: [pair('c1')], adapter: 'base' };

t.test('a record that takes long', async (t) => {
  const slow = (mode: JudgeParts['record']['mode'], failures: [unknown, number][]): JudgeParts['record'] => ({
    ...recorder(mode, [], failures),
    write: never,
  });
  await t.test('is not waited for where the answer may leave without', async (t) => {
    const failures: [unknown, number][] = [];
    const { judge } = judgeWith({ deadlineMs: 600_000, record: slow('best-effort', failures) });
    t.match((await judge.judge(request)).results, [{ prediction_id: null, error: null }]);
    t.match(failures, [[{ message: /not recorded within 1000 ms/ }, 1]]);
  });
  await t.test('is waited for until the deadline where it may not', async (t) => {
    const failures: [unknown, number][] = [];
    const { judge } = judgeWith({ deadlineMs: 50, record: slow('required', failures) });
    await t.rejects(judge.judge(request), { code: 'deadline', status: 503 });
    t.match(failures, [[{ message: /within 50 ms/ }, 1]]);
  });
});

t.test('the deadline covers the tokenizer, which hears of clients that go', async (t) => {
  const heard: AbortSignal[] = [];
  const text: JudgeParts['text'] = { encode: async (_pairs, signal) => (heard.push(signal!), await never()) };
  const { judge } = judgeWith({ deadlineMs: 50, text });
  const client = new AbortController();
  await t.rejects(judge.judge({ ...request, signal: client.signal }), { code: 'deadline', status: 503 });
  t.match(heard, [{ aborted: true, reason: { code: 'deadline' } }], 'what is late is not encoded');
  const leaving = judge.judge({ ...request, deadline: 1e9, signal: client.signal });
  client.abort(new Error('gone'));
  await t.rejects(leaving, { message: 'gone' });
  t.match(heard[1], { aborted: true, reason: { message: 'gone' } });
});
