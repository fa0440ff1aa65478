import t from 'tap';
import type { Correction } from '../../schemas/corrections.js';
import { sweepAll } from '../../src/db/retention.js';
import { contractFault } from '../support/contract.js';
import { CLAIM, judged, learn, list, PAIR, results, row } from '../support/learn.js';
import { get, post } from '../support/serve.js';

t.test('the later answer of a reviewer replaces, and the earlier one is history', async (t) => {
  const { url } = await learn(t);
  const [judgement] = await judged(url, [PAIR]);
  const by = (reviewer: string, correct_label: string) =>
    post(`${url}/corrections`, { prediction_id: judgement?.prediction_id, correct_label, reviewer });
  const first = row(await by('ada', 'refutes'));
  const second = row(await by('ada', 'neutral'));
  t.not(second.id, first.id);
  t.strictSame(
    (await list(url)).items.map(({ id }) => id),
    [second.id],
  );
  const ended = await get(`${url}/corrections/${first.id}`);
  t.match(ended.body, { state: 'replaced', usable: false, why_not: 'replaced', correct_label: 'refutes' });
  t.strictSame(
    (await list(url, '?state=ended')).items.map(({ id }) => id),
    [first.id],
  );
  t.equal((await post(`${url}/corrections/${first.id}/withdraw`, '')).status, 409);
  t.equal(row(await by('ada', 'neutral')).id, second.id, 'the same again changes nothing');
  t.equal((await list(url, '?state=ended')).items.length, 1);
});

t.test('reviewers who disagree are in conflict until one gives way', async (t) => {
  const { url } = await learn(t);
  const say = async (reviewer: string, correct_label: string, page_id: string): Promise<Correction> =>
    row(await post(`${url}/corrections`, { ...CLAIM, correct_label, reviewer, page_id }));
  const ada = await say('ada', 'refutes', 'p1');
  t.equal(ada.why_not, null);
  const bob = await say('bob', 'neutral', 'p1');
  t.equal(bob.why_not, 'conflict');
  t.equal(row(await get(`${url}/corrections/${ada.id}`)).why_not, 'conflict');
  const settled = await say('bob', 'refutes', 'p1');
  t.equal(settled.why_not, 'duplicate');
  t.equal(row(await get(`${url}/corrections/${ada.id}`)).why_not, null, 'the first of those who agree counts');
});

t.test('of one reviewer the later answer to the same pair counts, whatever the case and the spaces', async (t) => {
  const { url } = await learn(t);
  const first = row(await post(`${url}/corrections`, { ...CLAIM, correct_label: 'refutes', page_id: 'p1' }));
  const again = { ...CLAIM, premise: ' the  DRUG helps. ', correct_label: 'neutral', page_id: 'p2' };
  const second = row(await post(`${url}/corrections`, again));
  t.equal(second.why_not, null);
  t.match(row(await get(`${url}/corrections/${first.id}`)), { state: 'current', why_not: 'duplicate' });
});

t.test('a withdrawn correction is history, and withdrawing twice is once', async (t) => {
  const { url } = await learn(t);
  const { id } = row(await post(`${url}/corrections`, { ...CLAIM, correct_label: 'refutes' }));
  const answer = await post(`${url}/corrections/${id}/withdraw`, '');
  t.match(answer.body, { id, state: 'withdrawn', usable: false, why_not: 'withdrawn' });
  t.equal(contractFault('withdrawCorrection', answer), undefined);
  t.strictSame((await post(`${url}/corrections/${id}/withdraw`, '')).body, answer.body);
  t.strictSame((await list(url)).items, []);
  t.equal((await post(`${url}/corrections/none/withdraw`, '')).status, 404);
  t.equal((await get(`${url}/corrections/none`)).status, 404);
});

t.test('in one request, too, the later answer replaces', async (t) => {
  const { url } = await learn(t);
  const of = (correct_label: string) => ({ ...CLAIM, correct_label });
  const [first, second] = results(await post(`${url}/corrections`, { corrections: [of('refutes'), of('neutral')] }));
  t.match(first?.correction, { state: 'replaced', correct_label: 'refutes' });
  t.match(second?.correction, { state: 'current', correct_label: 'neutral' });
  t.equal((await list(url)).items.length, 1);
});

t.test('a judgement that was forgotten: its corrections stay, new ones are refused', async (t) => {
  const { url, database } = await learn(t);
  const [judgement] = await judged(url, [PAIR]);
  const body = { prediction_id: judgement?.prediction_id, correct_label: 'refutes', external_id: 'x1' };
  const stored = await post(`${url}/corrections`, body);
  await sweepAll(database, { days: 0, maxBytes: 1e9, clock: () => Date.UTC(2030, 0, 1) });
  const refused = await post(`${url}/corrections`, { ...body, external_id: 'x2' });
  t.match(refused, { status: 422, body: { detail: /forgotten/ } });
  t.match(row(await get(`${url}/corrections/${row(stored).id}`)), { premise: PAIR.premise, page_id: 'p7' });
  t.strictSame(
    (await post(`${url}/corrections`, body)).body,
    stored.body,
    'what was stored is still known by its external_id',
  );
});

t.test('an external_id is stored once', async (t) => {
  const { url } = await learn(t);
  const body = { ...CLAIM, correct_label: 'refutes', external_id: 'lyra:1' };
  const first = await post(`${url}/corrections`, body);
  t.strictSame((await post(`${url}/corrections`, body)).body, first.body);
  const changed = await post(`${url}/corrections`, { ...body, correct_label: 'neutral' });
  t.equal(changed.status, 409);
  t.match(changed.body, { errors: [{ pointer: '/external_id' }] });
  const replaced = row(await post(`${url}/corrections`, { ...body, external_id: 'lyra:2', correct_label: 'neutral' }));
  t.match(
    (await post(`${url}/corrections`, body)).body,
    { id: row(first).id, state: 'replaced' },
    'also when it has ended',
  );
  t.strictSame(
    (await list(url)).items.map(({ id }) => id),
    [replaced.id],
  );
});

t.test('the same correction from many at once is stored once', async (t) => {
  const { url } = await learn(t);
  const body = { ...CLAIM, correct_label: 'refutes', external_id: 'x' };
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(`${url}/corrections`, body)));
  t.strictSame([...new Set(answers.map((answer) => row(answer).id))], [row(answers[0] as (typeof answers)[0]).id]);
  t.equal((await list(url)).items.length, 1);
});
