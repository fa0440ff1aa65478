import t from 'tap';
import type { ErasureList } from '../../schemas/erasures.js';
import { listErasures } from '../../src/db/erasures.js';
import { erase } from '../../src/erase.js';
import { contractFault } from '../support/contract.js';
import { get, post } from '../support/serve.js';
import { judged, learn, PAIR } from '../support/learn.js';
import type { EraseParts } from '../../src/erase.js';

t.test('POST /erasures removes what it names; GET finds nothing of it', async (t) => {
  let parts: EraseParts | undefined;
  const { url, database } = await learn(t, { erase: (request) => erase(parts as EraseParts, request) });
  parts = { database, newId: () => 'e-1', now: () => Date.UTC(2026, 0, 3) };
  const [one] = await judged(url, [PAIR, { ...PAIR, page_id: 'p8', premise: 'A dog barks.' }]);
  const answer = await post(`${url}/erasures`, { page_id: 'p7', reason: 'asked for' });
  t.match(answer, {
    status: 200,
    body: { id: 'e-1', kind: 'page', removed: { predictions: 1, texts: 1 }, trained_on: [] },
  });
  const row = await database.kysely
    .selectFrom('predictions')
    .select('id')
    .where('id', '=', one?.prediction_id ?? '')
    .execute();
  t.strictSame(row, []);
  t.equal((await database.kysely.selectFrom('predictions').select('id').execute()).length, 1);
  t.equal((await get(`${url}/corrections`)).status, 200);
});

t.test('GET /erasures tells what was erased by whom and why, newest first', async (t) => {
  let parts: EraseParts | undefined;
  let ids = 0;
  const { url, database } = await learn(t, {
    erase: (request) => erase(parts as EraseParts, request),
    erasures: (page) => listErasures((parts as EraseParts).database.kysely, page),
  });
  parts = { database, newId: () => `e-${(ids += 1)}`, now: () => Date.UTC(2026, 0, 3) };
  const [one] = await judged(url, [PAIR]);
  await post(`${url}/corrections`, { prediction_id: one?.prediction_id, correct_label: 'refutes' });
  for (const page_id of ['p7', 'p8']) await post(`${url}/erasures`, { page_id, reason: `for ${page_id}` });
  const first = await get(`${url}/erasures?limit=1`);
  t.equal(contractFault('listErasures', first), undefined);
  const { items, next_cursor } = first.body as ErasureList;
  t.match(items, [{ id: 'e-2', kind: 'page', subject: 'p8', reason: 'for p8', actor: 'anonymous' }]);
  const rest = await get(`${url}/erasures?cursor=${next_cursor}`);
  t.match(rest.body, {
    items: [{ id: 'e-1', subject: 'p7', removed: { predictions: 1, corrections: 1, texts: 2 }, ended_at: String }],
    next_cursor: null,
  });
  t.notMatch(JSON.stringify(rest.body), PAIR.premise);
});

const REFUSED: readonly (readonly [object, number])[] = [
  [{ reason: 'r' }, 400],
  [{ page_id: 'p7' }, 400],
  [{ page_id: '', reason: 'r' }, 400],
  [{ page_id: 'p7', reason: '' }, 400],
  [{ page_id: 'p7', reason: 'r', everything: true }, 400],
  [{ prediction_id: 'p-unknown', reason: 'r' }, 404],
];

t.test('what names no one subject is refused', async (t) => {
  let parts: EraseParts | undefined;
  const { url, database } = await learn(t, { erase: (request) => erase(parts as EraseParts, request) });
  parts = { database, newId: () => 'e-1', now: () => Date.UTC(2026, 0, 3) };
  for (const [body, status] of REFUSED)
    t.equal((await post(`${url}/erasures`, body)).status, status, JSON.stringify(body));
});
