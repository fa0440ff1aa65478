import t from 'tap';
import type { ImportReport } from '../../schemas/corrections.js';
import { contractFault } from '../support/contract.js';
import { CLAIM, judged, learn, list, PAIR, row } from '../support/learn.js';
import { type Answered, get, post } from '../support/serve.js';

const LINES = { 'content-type': 'application/x-ndjson' };
const send = (url: string, body: string | Uint8Array): Promise<Answered> =>
  post(`${url}/corrections/import`, body, LINES);
const report = ({ body }: Answered): ImportReport => body as ImportReport;
const line = (number: number, said: object = {}): string =>
  `${JSON.stringify({ ...CLAIM, premise: `Premise ${number}.`, correct_label: 'refutes', page_id: `p${number}`, ...said })}\n`;

t.test('what is exported comes back as it was, once', async (t) => {
  const { url } = await learn(t);
  const [judgement] = await judged(url, [PAIR]);
  await post(`${url}/corrections`, {
    prediction_id: judgement?.prediction_id,
    correct_label: 'refutes',
    reviewer: 'ada',
    reason: 'é\n"',
  });
  const body = { ...CLAIM, correct_label: 'neutral', external_id: 'x1', review_source: 'random' };
  const sent = row(await post(`${url}/corrections`, body));
  const { id } = row(await post(`${url}/corrections`, { ...CLAIM, premise: 'Taken back.', correct_label: 'neutral' }));
  await post(`${url}/corrections/${id}/withdraw`, '');
  const exported = await get(`${url}/corrections/export`);
  t.equal(exported.headers.get('content-type'), 'application/x-ndjson');
  const text = exported.body as string;
  t.equal(text.trimEnd().split('\n').length, 2);
  t.match(report(await send(url, text)), { lines: 2, stored: 0, unchanged: 2, failed: 0 }, 'there already');

  await t.test('elsewhere', async (t) => {
    const { url: there } = await learn(t);
    const answer = await send(there, text);
    t.equal(contractFault('importCorrections', answer), undefined);
    t.match(report(answer), { lines: 2, stored: 2, failed: 0 });
    t.equal((await get(`${there}/corrections/export`)).body, text);
    t.match(report(await send(there, text)), { unchanged: 2 });
    t.match((await post(`${there}/corrections`, body)).body, { id: sent.id }, 'its external_id is known there');
    const changed = text.replace('"correct_label":"refutes"', '"correct_label":"supports"');
    t.match(report(await send(there, changed)), { unchanged: 1, failed: 1, errors: [{ line: 1, pointer: '/id' }] });
  });
});

t.test('what was judged under empty names is exported without them, and comes back', async (t) => {
  const { url } = await learn(t);
  const [judgement] = await judged(url, [{ ...PAIR, pair_id: '', page_id: '' }]);
  const said = { prediction_id: judgement?.prediction_id, correct_label: 'refutes' };
  t.match(row(await post(`${url}/corrections`, said)), { pair_id: null, page_id: null });
  const exported = await get(`${url}/corrections/export`);
  const { url: there } = await learn(t);
  t.match(report(await send(there, exported.body as string)), { lines: 1, stored: 1, failed: 0 });
});

t.test('each line is stored or refused by itself, and told by its number', async (t) => {
  const { url } = await learn(t);
  const lines = [
    line(1),
    '\n',
    '{"premise":\n',
    line(4, { correct_label: 'maybe' }),
    line(5, { original_confidence: 2 }),
    line(6, { nonsense: 1 }),
    line(7, { premise: ' ' }),
    line(8, {
      prediction_id: 'none',
      premise: undefined,
      nli_hypothesis: undefined,
      original_label: undefined,
      original_confidence: undefined,
    }),
    line(9, { id: 'x1' }),
    '[]\n',
    line(11, { reason: 'x'.repeat(1024 * 1024) }),
    '\r\n',
    line(13, { correct_label: 'entailment' }).replace('\n', '\r\n'),
    '\ud800\n',
    line(15).trimEnd(),
  ];
  const bytes = Buffer.concat([
    ...lines.slice(0, 13).map((one) => Buffer.from(one)),
    Buffer.of(0xc3, 0x28, 0x0a),
    Buffer.from(lines[14] ?? ''),
  ]);
  const answer = await send(url, bytes);
  t.equal(contractFault('importCorrections', answer), undefined);
  const { errors, ...counts } = report(answer);
  t.strictSame(counts, { lines: 13, stored: 3, replaced: 0, unchanged: 0, failed: 10 });
  t.strictSame(
    errors.map(({ line: number, pointer }) => [number, pointer]),
    [
      [3, ''],
      [4, '/correct_label'],
      [5, '/original_confidence'],
      [6, '/nonsense'],
      [7, '/premise'],
      [8, '/prediction_id'],
      [9, '/created_at'],
      [10, ''],
      [11, ''],
      [14, ''],
    ],
  );
  t.match(errors[8], { detail: /1048576 bytes/ });
  t.strictSame((await list(url)).items.map(({ premise }) => premise).sort(), [
    'Premise 1.',
    'Premise 13.',
    'Premise 15.',
  ]);
});

t.test('thousands of lines, cut anywhere, are all there; sent again nothing is stored twice', async (t) => {
  const { url, told } = await learn(t);
  const text = Array.from({ length: 2600 }, (_, number) => line(number)).join('');
  t.match(report(await send(url, text)), { lines: 2600, stored: 2600, failed: 0 });
  t.equal(told.times, 6);
  t.match(report(await send(url, text)), { stored: 0, replaced: 0, unchanged: 2600 });
  const { body } = await get(`${url}/corrections/export`);
  const premises = (body as string)
    .trimEnd()
    .split('\n')
    .map((one) => (JSON.parse(one) as { premise: string }).premise);
  t.equal(new Set(premises).size, 2600);
});

t.test('lines without original values are judged', async (t) => {
  const { url, rows } = await learn(t);
  const unjudged = { original_label: undefined, original_confidence: undefined };
  const text = Array.from({ length: 300 }, (_, number) => line(number, unjudged)).join('');
  t.match(report(await send(url, text)), { stored: 300 });
  t.equal(rows.length, 300);
});

t.test('the later of two rows that meet is the one that counts', async (t) => {
  const { url } = await learn(t);
  const text = (await post(`${url}/corrections`, { ...CLAIM, correct_label: 'neutral' }),
  (await get(`${url}/corrections/export`)).body) as string;
  await post(`${url}/corrections`, { ...CLAIM, correct_label: 'refutes' });
  const earlier = text.replace(/"id":"[^"]+"/, '"id":"other"');
  t.match(report(await send(url, earlier)), { failed: 1, errors: [{ pointer: '/created_at' }] });
  const later = earlier.replace(/"created_at":"[^"]+"/, '"created_at":"2026-01-03T00:30:00.000Z"');
  t.match(report(await send(url, later)), { replaced: 1 });
});

const NO_TIMES = [
  '2026-99-99T99:99:99.999Z',
  '2025-02-30T00:00:00.000Z',
  '2025-06-30T23:59:60.000Z',
  '2026-01-03T02:00:00.000Z',
  '9999-01-01T00:00:00.000Z',
];

t.test('a time that is none, or is to come, is refused', async (t) => {
  const { url } = await learn(t);
  for (const created_at of NO_TIMES)
    t.match(
      report(await send(url, line(1, { created_at }))),
      { failed: 1, errors: [{ pointer: '/created_at' }] },
      created_at,
    );
  t.match(report(await send(url, line(1, { created_at: '2026-01-03T00:59:00.000Z' }))), { stored: 1 });
});

t.test('what is said now is the latest, also after the clock was set back', async (t) => {
  const { url, clock } = await learn(t);
  t.match(report(await send(url, line(1, { created_at: '2026-01-03T00:59:00.000Z' }))), { stored: 1 });
  const said = JSON.parse(line(1, { correct_label: 'neutral' })) as object;
  t.match(row(await post(`${url}/corrections`, said)), { state: 'current', correct_label: 'neutral' });
  clock.now -= 86_400_000;
  t.match(row(await post(`${url}/corrections`, { ...said, correct_label: 'refutes' })), { state: 'current' });
  t.equal((await list(url)).items.length, 1);
});

t.test('an empty import and one of another type', async (t) => {
  const { url } = await learn(t);
  t.match(report(await send(url, '')), { lines: 0, stored: 0 });
  const { status } = await post(`${url}/corrections/import`, '{}');
  t.equal(status, 415);
  t.equal((await get(`${url}/corrections/export`)).body, '');
});
