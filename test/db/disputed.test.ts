/** What reviewers are offered first: where a live shadow disagreed. */
import t, { type Test } from 'tap';
import type { Database } from '../../src/db/database.js';
import { type ListOptions, listPredictions } from '../../src/db/predictions.js';
import { sweepAll } from '../../src/db/retention.js';
import { openFor } from './fixtures/open.js';
import { prediction } from './fixtures/prediction.js';

const at = '2026-01-02T03:04:05.678Z';
const by = { actor: 'key-1', role: 'operator' } as const;
const candidate = { id: 'a-1', version: 'v1', digest: 'd1' };
const MARGINS = [0.5, 0.1, 0.3, 0.2, 0.4, 0.6];
const DISPUTED = [5, 2, 0];

/** Six judgements of one key, of which three were disputed; the last three are of the page p7. */
async function filled(t: Test): Promise<Database> {
  const db = await openFor(t);
  const rows = MARGINS.map((margin, number) =>
    prediction(number, {
      scores: { supports: 0.5 + margin / 2, refutes: 0.5 - margin / 2, neutral: 0 },
      page_id: number > 2 ? 'p7' : null,
      key_id: 'key-9',
    }),
  );
  await db.run('recordPredictions', { rows });
  const { seq } = await db.run('setLiveShadow', { base_digest: 'b1', candidate, rate: 1, at, by });
  const disagreements = [...DISPUTED.map((number) => prediction(number).id), 'erased-meanwhile'].map(
    (prediction_id) => ({
      prediction_id,
      label: 'refutes' as const,
      confidence: 0.9,
      scores: { supports: 0.1, refutes: 0.9, neutral: 0 },
    }),
  );
  const counts = [{ active_label: 'supports', candidate_label: 'refutes', pairs: 4 } as const];
  await db.run('noteLiveShadow', { shadow_seq: seq, counts, dropped: 0, failed: 0, disagreements });
  return db;
}

const listed = async (db: Database, options: ListOptions = {}): Promise<number[]> =>
  (await listPredictions(db.kysely, { review: 'wanted', ...options })).items.map(({ pair_id }) =>
    Number(pair_id.slice(5)),
  );

t.test('disputed judgements first, then the others, each by its margin', async (t) => {
  const db = await filled(t);
  t.strictSame(await listed(db), [2, 0, 5, 1, 3, 4]);
  t.strictSame(await listed(db, { page_id: 'p7' }), [5, 3, 4]);
  t.strictSame(await listed(db, { text: 'premise 5' }), [5]);
  t.strictSame(await listed(db, { label: 'refutes' }), []);
  const { items } = await listPredictions(db.kysely, { review: 'wanted', limit: 1 });
  t.match(items, [
    { label: 'supports', shadow: { adapter: candidate, label: 'refutes', confidence: 0.9, scores: { supports: 0.1 } } },
  ]);
});

t.test('pages of any size meet each once, in the same order', async (t) => {
  const db = await filled(t);
  for (const limit of [1, 2, 3, 4, 5]) {
    const met: string[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await listPredictions(db.kysely, { review: 'wanted', limit, ...(cursor && { cursor }) });
      met.push(...page.items.map(({ pair_id }) => pair_id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    t.strictSame(
      met,
      [2, 0, 5, 1, 3, 4].map((number) => `pair-${number}`),
      `by ${limit}`,
    );
  }
});

t.test('who may see only their own is told nothing of a candidate', async (t) => {
  const db = await filled(t);
  t.strictSame(await listed(db, { key_id: 'key-9' }), [1, 3, 2, 4, 0, 5]);
  const { items } = await listPredictions(db.kysely, { key_id: 'key-9' });
  t.ok(items.every(({ shadow }) => shadow === null));
  t.strictSame(await listed(db, { key_id: 'key-8' }), []);
});

t.test('one that a person reviewed is no longer offered first', async (t) => {
  const db = await filled(t);
  const input = { prediction_id: prediction(2).id, correct_label: 'refutes' } as const;
  const items = [{ id: 'c-1', created_at: at, input, judged: null }];
  await db.run('storeCorrections', { items, key_id: null, request: null, rows: false, at });
  t.strictSame(await listed(db), [0, 5, 1, 3, 2, 4]);
});

t.test('a judgement that is forgotten takes its disagreement along', async (t) => {
  const db = await filled(t);
  await sweepAll(db, { maxBytes: 0, clock: () => Date.parse(at) + 7_200_000 });
  t.strictSame(await db.kysely.selectFrom('shadow_disagreements').selectAll().execute(), []);
  t.strictSame(await listed(db), []);
});

t.test('one candidate at a time', async (t) => {
  const db = await filled(t);
  await db.run('setLiveShadow', { base_digest: 'b1', candidate, rate: 0.5, at, by });
  const rows = await db.kysely.selectFrom('live_shadows').select(['rate', 'ended_because']).orderBy('seq').execute();
  t.strictSame(rows, [
    { rate: 1, ended_because: 'replaced' },
    { rate: 0.5, ended_because: null },
  ]);
  t.equal(await db.run('endLiveShadow', { because: 'failing', at, seq: 1 }), false, 'it ended before');
  t.equal(await db.run('endLiveShadow', { because: 'failing', at, seq: 2 }), true);
});
