import t from 'tap';
import { erase } from '../../src/erase.js';
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
