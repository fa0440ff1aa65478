import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Correction, CorrectionList } from '../../schemas/corrections.js';
import { type Corrections, createCorrections } from '../../src/corrections/correct.js';
import type { JudgeAnswer } from '../../src/judge/judge.js';
import { OPEN, senderOf } from '../../src/roles.js';
import { openFor } from '../db/fixtures/open.js';
import { contractFault } from '../support/contract.js';
import { CLAIM, judged, learn, list, PAIR, results, row } from '../support/learn.js';
import { get, post } from '../support/serve.js';

t.test('several at once: each is stored or has its own error', async (t) => {
  const { url } = await learn(t);
  await judged(url, [PAIR]);
  const answer = await post(`${url}/corrections`, {
    corrections: [
      { ...CLAIM, correct_label: 'refutes' },
      { ...CLAIM, correct_label: 'maybe' },
      { prediction_id: 'none', correct_label: 'refutes' },
      'no object',
      { pair_id: 'c1', correct_label: 'neutral', nonsense: 1 },
      { premise: 'p q', nli_hypothesis: 'r', correct_label: 'neutral' },
      { premise: 'p q', nli_hypothesis: 'r', original_label: 'neutral', correct_label: 'neutral' },
    ],
  });
  t.equal(answer.status, 200);
  t.equal(contractFault('correct', answer), undefined);
  t.strictSame(
    results(answer).map(({ index, correction, error }) => [
      index,
      correction !== null,
      error?.status,
      error?.errors[0]?.pointer,
    ]),
    [
      [0, true, undefined, undefined],
      [1, false, 400, '/correct_label'],
      [2, false, 422, '/prediction_id'],
      [3, false, 400, ''],
      [4, false, 400, '/nonsense'],
      [5, true, undefined, undefined],
      [6, false, 422, '/original_confidence'],
    ],
  );
  t.strictSame(results(await post(`${url}/corrections`, { corrections: [] })), []);
  const many = Array.from({ length: 501 }, () => ({ ...CLAIM, correct_label: 'refutes' }));
  t.equal((await post(`${url}/corrections`, { corrections: many })).status, 413);
});

t.test('a request sent again under its Idempotency-Key is answered as before', async (t) => {
  const { url, clock, told } = await learn(t);
  const send = (body: object, key: string) => post(`${url}/corrections`, body, { 'idempotency-key': key });
  const body = { ...CLAIM, correct_label: 'refutes' };
  const first = await send(body, 'k1');
  const reordered = Object.fromEntries(Object.entries(body).toReversed());
  t.strictSame((await send(reordered, 'k1')).body, first.body);
  t.equal(told.times, 1, 'nothing was stored twice');
  t.equal((await send({ ...body, correct_label: 'neutral' }, 'k1')).status, 422);
  t.equal((await send({ corrections: [body] }, 'k1')).status, 422);
  const batch = { corrections: [{ ...body, page_id: 'p2' }, { nonsense: 1 }] };
  const several = await send(batch, 'k2');
  t.strictSame((await send(batch, 'k2')).body, several.body);
  t.equal((await send({ ...body, correct_label: 'neutral' }, 'k3')).status, 201);
  t.match((await send(body, 'k1')).body, first.body, 'as before, though it was replaced since');
  clock.now += 24 * 60 * 60 * 1000;
  t.equal((await send({ ...body, page_id: 'p9' }, 'k1')).status, 201, 'a day later the key is free');
  t.equal((await send(body, 'k x')).status, 400);
  t.equal((await send(body, '')).status, 400);
});

t.test('a request that failed may be sent again under the same key', async (t) => {
  const { url } = await learn(t);
  const send = (body: object) => post(`${url}/corrections`, body, { 'idempotency-key': 'k' });
  t.equal((await send({ prediction_id: 'p-1', correct_label: 'refutes' })).status, 422);
  await judged(url, [PAIR]);
  t.equal((await send({ prediction_id: 'p-1', correct_label: 'refutes' })).status, 201);
});

t.test('while a request is under way the same key is refused', async (t) => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let begun: () => void = () => undefined;
  const classifying = new Promise<void>((resolve) => (begun = resolve));
  const { url } = await learn(t, {
    engine: {
      classify: async (rows) => {
        begun();
        await held;
        return rows.map(() => Float32Array.of(1, 2, 3));
      },
    },
  });
  const send = () =>
    post(
      `${url}/corrections`,
      { premise: 'p', nli_hypothesis: 'h', correct_label: 'refutes' },
      { 'idempotency-key': 'k' },
    );
  const first = send();
  await classifying;
  t.equal((await send()).status, 409);
  release();
  t.equal((await first).status, 201);
  t.strictSame((await send()).body, (await first).body);
});

t.test('two services over one directory store what came to both under one key once', async (t) => {
  const database = await openFor(t);
  const now = () => Date.UTC(2026, 0, 3);
  let both: () => void = () => undefined;
  const met = new Promise<void>((resolve) => (both = resolve));
  let judging = 0;
  const judge = {
    judge: async () => {
      if ((judging += 1) === 2) both();
      await met;
      return JUDGED;
    },
  };
  const services = [1, 2].map((n) =>
    createCorrections({ database, judge, modelDigest: 'm1', now, newId: () => `c-${n}` }),
  );
  const ask = (service: Corrections, body_sha256: string, key = 'k') =>
    service.correct({
      items: [{ premise: 'p', nli_hypothesis: 'h', correct_label: 'refutes' }],
      sender: senderOf(OPEN),
      idempotency: { key, body_sha256 },
    });
  const [first, second] = await Promise.all(services.map((service) => ask(service, 'one')));
  t.strictSame(first, second);
  t.equal((await database.kysely.selectFrom('nli_corrections').select('id').execute()).length, 1);
  judging = 0;
  const [stored, other] = await Promise.allSettled(services.map((service, n) => ask(service, `body ${n}`, 'k2')));
  t.ok([stored, other].some((one) => one?.status === 'fulfilled'));
  t.match(
    [stored, other].find((one) => one?.status === 'rejected'),
    { reason: { code: 'unprocessable' } },
  );
});

const JUDGED: JudgeAnswer = {
  model: 'tiny',
  adapter: null,
  results: [
    {
      pair_id: 'unknown',
      prediction_id: null,
      label: 'supports',
      confidence: 0.9,
      raw_label: 'entailment',
      scores: { supports: 0.9, refutes: 0.05, neutral: 0.05 },
      truncated: false,
      error: null,
    },
  ],
};

t.test('lists: newest first, narrowed by every filter, walked by cursor', async (t) => {
  const { url } = await learn(t);
  const made: Correction[] = [];
  for (let i = 0; i < 9; i++) {
    const body = {
      ...CLAIM,
      premise: `Premise ${i}.`,
      page_id: `p${i % 3}`,
      reviewer: i < 4 ? 'ada' : 'bob',
      edge_id: `e${i}`,
    };
    const said = {
      original_confidence: 0.1 * (i + 1),
      correct_label: i % 2 === 0 ? 'supports' : 'refutes',
      external_id: `x${i}`,
    };
    made.push(
      row(await post(`${url}/corrections`, { ...body, ...said, review_source: i === 5 ? 'random' : 'volunteered' })),
    );
  }
  const numbers = async (query: string): Promise<number[]> =>
    (await list(url, query)).items.map(({ premise }) => Number(/\d/.exec(premise)?.[0]));
  t.strictSame(await numbers(''), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
  const filtered: [query: string, wanted: number[]][] = [
    ['?page_id=p1', [7, 4, 1]],
    ['?reviewer=ada&kind=correction', [3, 1]],
    ['?kind=confirmation', [8, 6, 4, 2, 0]],
    ['?correct_label=contradiction', [7, 5, 3, 1]],
    ['?original_label=entailment&edge_id=e4', [4]],
    ['?external_id=x2', [2]],
    ['?review_source=random', [5]],
    ['?confidence_source=claimed&min_confidence=0.35&max_confidence=0.55', [4, 3]],
    [`?since=${made[7]?.created_at}`, [8, 7]],
    [`?until=${made[2]?.created_at}`, [1, 0]],
    ['?state=ended', []],
  ];
  for (const [query, wanted] of filtered) t.strictSame(await numbers(query), wanted, query);
  const pages: number[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: CorrectionList = await list(url, `?limit=4${cursor === '' ? '' : `&cursor=${cursor}`}`);
    pages.push(...page.items.map(({ premise }) => Number(/\d/.exec(premise)?.[0])));
    if (pages.length === 4)
      await post(`${url}/corrections`, { ...CLAIM, premise: 'Newer 9.', correct_label: 'refutes' });
    cursor = page.next_cursor;
  }
  t.strictSame(pages, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
  for (const query of ['?limit=0', '?limit=201', '?cursor=bm8', '?since=yesterday', '?nonsense=1', '?min_confidence=2'])
    t.equal((await get(`${url}/corrections${query}`)).status, 400, query);
});

t.test("the owner's statement runs verbatim on the file", async (t) => {
  const { url, file } = await learn(t);
  const said: [confidence: number, label: string][] = [
    [0.95, 'refutes'],
    [0.8, 'refutes'],
    [0.95, 'supports'],
    [0.81, 'neutral'],
  ];
  const corrections = said.map(([original_confidence, correct_label], i) => {
    return { ...CLAIM, premise: `Premise ${i}.`, original_confidence, correct_label };
  });
  await post(`${url}/corrections`, { corrections });
  const [withdrawn] = results(
    await post(`${url}/corrections`, { corrections: [{ ...CLAIM, correct_label: 'neutral' }] }),
  );
  await post(`${url}/corrections/${withdrawn?.correction?.id}/withdraw`, '');
  const opened = new Sqlite(file, { readonly: true });
  t.teardown(() => opened.close());
  const found = opened
    .prepare<[], { premise: string }>(
      'SELECT * FROM nli_corrections WHERE original_confidence > 0.8 AND original_label != correct_label',
    )
    .all();
  t.strictSame(found.map(({ premise }) => premise).sort(), ['Premise 0.', 'Premise 3.']);
  const usable = (await list(url)).items.filter(({ usable: is }) => is).map(({ premise }) => premise);
  t.strictSame(usable.sort(), ['Premise 0.', 'Premise 3.']);
});
