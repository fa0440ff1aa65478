import t from 'tap';
import { contractFault } from '../support/contract.js';
import { CLAIM, judged, learn, list, PAIR, row } from '../support/learn.js';
import { get, post } from '../support/serve.js';

t.test('by prediction_id everything is known of the record', async (t) => {
  const { url, told } = await learn(t);
  const [judgement] = await judged(url, [PAIR]);
  const { prediction_id, label = '', confidence } = judgement ?? {};
  const answer = await post(`${url}/corrections`, {
    prediction_id,
    correct_label: 'contradicts',
    reviewer: 'ada',
    reason: 'no',
  });
  t.equal(answer.status, 201);
  t.equal(contractFault('correct', answer), undefined);
  t.match(row(answer), {
    ...PAIR,
    prediction_id,
    original_label: label,
    original_confidence: confidence,
    correct_label: 'refutes',
    confidence_source: 'recorded',
    reviewer: 'ada',
    reason: 'no',
    review_source: 'volunteered',
    model_digest: 'm1',
    state: 'current',
    why_not: 'low_confidence',
  });
  t.strictSame((await get(`${url}/corrections/${row(answer).id}`)).body, answer.body);
  t.equal(told.times, 1);
});

t.test('by pair_id where its judgements have the same texts', async (t) => {
  const { url } = await learn(t);
  const [, newest] = await judged(url, [
    PAIR,
    PAIR,
    { ...PAIR, pair_id: 'c2' },
    { ...PAIR, pair_id: 'c2', premise: 'Other.' },
  ]);
  const linked = await post(`${url}/corrections`, { pair_id: 'c1', correct_label: 'refutes' });
  t.match(row(linked), { prediction_id: newest?.prediction_id, premise: PAIR.premise, reviewer: 'anonymous' });
  const several = await post(`${url}/corrections`, { pair_id: 'c2', correct_label: 'refutes' });
  t.equal(several.status, 409);
  t.match(several.body, { errors: [{ pointer: '/pair_id' }] });
  t.equal(contractFault('correct', several), undefined);
});

t.test('the pair_id of pairs that were sent without one names none of them, be it a single one', async (t) => {
  const { url } = await learn(t);
  const { pair_id: _, ...unnamed } = PAIR;
  await judged(url, [unnamed]);
  const answer = await post(`${url}/corrections`, { pair_id: 'unknown', correct_label: 'refutes' });
  t.match(answer, {
    status: 409,
    body: { errors: [{ pointer: '/pair_id', detail: /without one: correct by prediction_id/ }] },
  });
});

t.test('in full: linked to the newest judgement of the same texts, whose confidence wins', async (t) => {
  const { url } = await learn(t);
  const [, newest] = await judged(url, [PAIR, PAIR]);
  const { premise, nli_hypothesis } = PAIR;
  const claim = { original_label: 'neutral', original_confidence: 0.123 };
  const answer = await post(`${url}/corrections`, {
    premise,
    nli_hypothesis,
    ...claim,
    correct_label: 'refutes',
    page_id: 'p9',
  });
  t.match(row(answer), {
    prediction_id: newest?.prediction_id,
    original_label: newest?.label,
    original_confidence: newest?.confidence,
    confidence_source: 'recorded',
    page_id: 'p9',
  });
});

t.test('in full, unknown here: what is claimed is kept as claimed', async (t) => {
  const { url, engine } = await learn(t);
  const answer = await post(`${url}/corrections`, { ...CLAIM, correct_label: 'refutes', edge_id: 'e1' });
  t.match(row(answer), {
    ...CLAIM,
    prediction_id: null,
    confidence_source: 'claimed',
    edge_id: 'e1',
    usable: true,
    why_not: null,
  });
  t.equal(engine.calls.length, 0);
});

t.test('in full, unknown and unclaimed: the active adapter judges first, and that is recorded', async (t) => {
  const { url, rows } = await learn(t);
  const { premise, nli_hypothesis } = CLAIM;
  const answer = await post(`${url}/corrections`, { premise, nli_hypothesis, correct_label: 'neutral' });
  t.equal(answer.status, 201);
  const [recorded] = rows;
  t.match(row(answer), {
    prediction_id: recorded?.id,
    original_label: recorded?.label,
    original_confidence: recorded?.confidence,
    confidence_source: 'judged',
  });
  const { status } = await get(`${url}/corrections?prediction_id=${recorded?.id}`);
  t.equal(status, 200);
});

t.test('without records of judgements a correction in full is judged and kept all the same', async (t) => {
  const { url } = await learn(t, { record: 'off' });
  const answer = await post(`${url}/corrections`, { premise: 'a b', nli_hypothesis: 'c', correct_label: 'neutral' });
  t.match(row(answer), { prediction_id: null, confidence_source: 'judged', model_digest: 'm1' });
});

t.test('the same label is a confirmation', async (t) => {
  const { url } = await learn(t);
  const answer = await post(`${url}/corrections`, { ...CLAIM, correct_label: 'supports' });
  t.match(row(answer), { usable: false, why_not: 'confirmation' });
});

const BAD: [name: string, body: unknown, status: number, pointer: string][] = [
  ['a label outside the vocabulary', { ...CLAIM, correct_label: 'not_entailment' }, 400, '/correct_label'],
  [
    'an original label outside the vocabulary',
    { ...CLAIM, original_label: 'yes', correct_label: 'neutral' },
    400,
    '/original_label',
  ],
  [
    'a confidence above 1',
    { ...CLAIM, original_confidence: 1.01, correct_label: 'neutral' },
    400,
    '/original_confidence',
  ],
  [
    'a confidence below 0',
    { ...CLAIM, original_confidence: -0.01, correct_label: 'neutral' },
    400,
    '/original_confidence',
  ],
  [
    'a confidence as text',
    { ...CLAIM, original_confidence: '0.9', correct_label: 'neutral' },
    400,
    '/original_confidence',
  ],
  ['no correct label', CLAIM, 400, '/correct_label'],
  ['an unknown member', { ...CLAIM, correct_label: 'neutral', label: 'x' }, 400, '/label'],
  ['a half surrogate', '{"premise":"\\ud800","nli_hypothesis":"h","correct_label":"neutral"}', 400, '/premise'],
  ['no pair at all', { correct_label: 'neutral' }, 422, '/premise'],
  ['a premise alone', { premise: 'p', correct_label: 'neutral' }, 422, '/nli_hypothesis'],
  ['an empty premise', { ...CLAIM, premise: ' \u00a0\n', correct_label: 'neutral' }, 422, '/premise'],
  ['a premise over the limit', { ...CLAIM, premise: 'x'.repeat(20_001), correct_label: 'neutral' }, 422, '/premise'],
  [
    'a label without its confidence',
    { premise: 'p', nli_hypothesis: 'h', original_label: 'neutral', correct_label: 'neutral' },
    422,
    '/original_confidence',
  ],
  ['texts beside a prediction_id', { prediction_id: 'p-1', premise: 'p', correct_label: 'neutral' }, 422, '/premise'],
  ['a prediction that does not exist', { prediction_id: 'p-999', correct_label: 'neutral' }, 422, '/prediction_id'],
  ['a pair_id that does not exist', { pair_id: 'none', correct_label: 'neutral' }, 422, '/pair_id'],
  ['a row of an export', { ...CLAIM, id: 'x', correct_label: 'neutral' }, 400, '/id'],
  ['a list', [], 400, ''],
  ['no body', '', 400, ''],
];

t.test('bad input', async (t) => {
  const { url } = await learn(t);
  for (const [name, body, status, pointer] of BAD) {
    const answer = await post(`${url}/corrections`, body);
    t.equal(answer.status, status, name);
    t.match(answer.body, { errors: [{ pointer }] }, name);
    t.equal(contractFault('correct', answer), undefined, name);
  }
  t.strictSame((await list(url)).items, []);
});

t.test('a correction of a correction is told apart from a judgement that is unknown', async (t) => {
  const { url } = await learn(t);
  const { id } = row(await post(`${url}/corrections`, { ...CLAIM, correct_label: 'refutes' }));
  const { status, body } = await post(`${url}/corrections`, { prediction_id: id, correct_label: 'neutral' });
  t.equal(status, 422);
  t.match(body, { detail: /names a correction/ });
});
