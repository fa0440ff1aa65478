import t from 'tap';
import type { Prediction } from '../../schemas/predictions.js';
import { contractFault } from '../support/contract.js';
import { ADAPTER, get, serve } from '../support/serve.js';

const prediction: Prediction = {
  id: '0198c7f2-6d3e-7c1a-9a51-3f2b8c0d4e5f',
  created_at: '2026-01-02T00:00:00.000Z',
  page_id: null,
  pair_id: 'c1',
  premise: 'p',
  nli_hypothesis: 'h',
  label: 'refutes',
  confidence: 0.5,
  raw_label: 'contradiction',
  scores: { supports: 0.25, refutes: 0.5, neutral: 0.25 },
  truncated: false,
  model: 'tiny',
  model_digest: 'm1',
  adapter: ADAPTER,
  latency_ms: 12.5,
  shadow: {
    adapter: ADAPTER,
    label: 'supports',
    confidence: 0.75,
    scores: { supports: 0.75, refutes: 0.25, neutral: 0 },
  },
};

t.test('a list is answered as it is stored', async (t) => {
  const page = {
    items: [prediction, { ...prediction, adapter: null, page_id: 'p7', shadow: null }],
    next_cursor: 'abc',
  };
  const { url } = await serve(t, { predictions: { list: async () => page } });
  const answer = await get(`${url}/predictions`);
  t.equal(answer.status, 200);
  t.strictSame(answer.body, page);
  t.equal(contractFault('listPredictions', answer), undefined);
});

t.test('every filter reaches the store, numbers as numbers', async (t) => {
  const { url, listed } = await serve(t);
  const query = {
    page_id: 'p 7',
    pair_id: 'c1:f9',
    label: 'entailment',
    min_confidence: '0.25',
    max_confidence: '1',
    adapter: 'base',
    since: '2026-01-01T00:00:00Z',
    until: '2026-02-01T00:00:00+01:00',
    text: 'é%_"',
    review: 'wanted',
    limit: '200',
    cursor: 'abc_-',
  };
  await get(`${url}/predictions?${new URLSearchParams(query).toString()}`);
  await get(`${url}/predictions`);
  const { label, min_confidence, max_confidence, limit, ...same } = query;
  t.strictSame({ ...listed[0] }, { ...same, label: 'supports', min_confidence: 0.25, max_confidence: 1, limit: 200 });
  t.strictSame({ ...listed[1] }, { limit: 50 });
  t.ok(label && min_confidence && max_confidence && limit);
});

t.test('numbers may be written as JSON and most programs write them', async (t) => {
  const { url, listed } = await serve(t);
  for (const text of ['0.1', '1e-1', '1E-1', '.1', '10e-2']) await get(`${url}/predictions?min_confidence=${text}`);
  t.strictSame(
    listed.map(({ min_confidence }) => min_confidence),
    [0.1, 0.1, 0.1, 0.1, 0.1],
  );
  await get(`${url}/predictions?limit=1e1`);
  t.equal(listed.at(-1)?.limit, 10);
});

t.test('bad filters are refused by their name', async (t) => {
  const { url, listed } = await serve(t);
  const table: [query: string, pointer: string, detail: RegExp][] = [
    ['limit=201', 'limit', /at most 200/],
    ['limit=0', 'limit', /at least 1/],
    ['limit=1.5', 'limit', /an integer/],
    ['limit=', 'limit', /an integer/],
    ['limit=%201', 'limit', /an integer/],
    ['limit=0x10', 'limit', /an integer/],
    ['limit=1e-1', 'limit', /an integer/],
    ['limit=1e999', 'limit', /an integer/],
    ['limit=1e', 'limit', /an integer/],
    ['min_confidence=.', 'min_confidence', /a number/],
    ['min_confidence=01', 'min_confidence', /a number/],
    ['limit=1&limit=2', 'limit', /an integer/],
    ['min_confidence=1.01', 'min_confidence', /at most 1/],
    ['max_confidence=-0.1', 'max_confidence', /at least 0/],
    ['min_confidence=NaN', 'min_confidence', /a number/],
    ['label=maybe', 'label', /one of supports/],
    ['label=not_entailment', 'label', /one of supports/],
    ['review=all', 'review', /wanted, random/],
    ['since=yesterday', 'since', /^must be a date-time such as \S+Z$/],
    ['since=2026-02-01T00:00:00+01:00', 'since', /a date-time such as \S+Z; in a query \+ .* write %2B$/],
    ['until=2026-13-01T00:00:00Z', 'until', /a date-time/],
    ['cursor=%3Cx%3E', 'cursor', /must match/],
    ['text=a%00b', 'text', /NUL/],
    ['text=', 'text', /at least 1 character is needed/],
    [`page_id=${'x'.repeat(513)}`, 'page_id', /at most 512/],
    ['page=2', 'page', /not known/],
    ['__proto__=1', '__proto__', /not known/],
  ];
  for (const [query, pointer, detail] of table) {
    const answer = await get(`${url}/predictions?${query}`);
    t.equal(answer.status, 400, query);
    t.match(answer.body, { errors: [{ pointer, detail }] }, query);
    t.equal(contractFault('listPredictions', answer), undefined, query);
  }
  t.equal(listed.length, 0);
});

t.test('one prediction', async (t) => {
  const asked: string[] = [];
  const { url } = await serve(t, {
    predictions: { get: async (id) => (asked.push(id) > 0 && id === prediction.id ? prediction : undefined) },
  });
  const found = await get(`${url}/predictions/${prediction.id}`);
  t.strictSame(found.body, prediction);
  t.equal(contractFault('getPrediction', found), undefined);
  const missing = await get(`${url}/predictions/nope`);
  t.match(missing, { status: 404, body: { type: '/problems#not-found' } });
  t.equal(contractFault('getPrediction', missing), undefined);
  for (const id of ['..%2f..%2fetc', 'a%00b', 'a.b', 'x'.repeat(65)]) {
    const refused = await get(`${url}/predictions/${id}`);
    t.match(refused, { status: 400, body: { errors: [{ pointer: 'id', detail: /must match/ }] } }, id);
    t.equal(contractFault('getPrediction', refused), undefined);
  }
  t.strictSame(asked, [prediction.id, 'nope']);
});
