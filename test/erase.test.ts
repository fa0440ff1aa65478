/** What was erased is in no row, no free page and no log; what shares nothing with it stays. */
import { readFileSync, existsSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import type { Database } from '../src/db/database.js';
import { erase, type ErasureRequest } from '../src/erase.js';
import { openDatabase } from '../src/db/database.js';
import { actorOf, OPEN, senderOf } from '../src/roles.js';
import { uuidv7 } from 'uuidv7';
import { createCorrections } from '../src/corrections/correct.js';
import { fileIn, openFor } from './db/fixtures/open.js';
import { prediction, predictions } from './db/fixtures/prediction.js';

t.setTimeout(120_000);
const SECRET = 'Marie Dubois lives at 12 Harbour Lane';
const SECRET_HYPOTHESIS = 'Dubois has left Harbour Lane';
const REASON = 'asked by the person';
const AT = '2026-01-03T00:00:00.000Z';

interface Kept {
  readonly file: string;
  readonly database: Database;
  readonly ask: (request: Partial<ErasureRequest>) => ReturnType<typeof erase>;
}

/** Judgements, corrections, one of them replaced, a kept answer, a run that learnt, a report that shows it. */
async function filled(t: Test): Promise<Kept> {
  const file = fileIn(t);
  const database = await openFor(t, file);
  // Neighbours on all sides of the texts, some of which go again: rows move between pages, and pages are freed.
  await database.run('recordPredictions', { rows: predictions(0, 300, { page_id: 'p1' }) });
  const secret = { premise: SECRET, nli_hypothesis: SECRET_HYPOTHESIS, page_id: 'p7', pair_id: 's' };
  await database.run('recordPredictions', {
    rows: [prediction(1000, secret), prediction(1001, { ...secret, premise: SECRET.toUpperCase() })],
  });
  await database.run('recordPredictions', { rows: predictions(2000, 300, { page_id: 'p2' }) });
  await database.run('sweep', { before: prediction(2000).created_at, max_bytes: null, full_before: '', limit: 250 });
  const [, newest = ''] = await correct(database);
  await learn(database, newest);
  const parts = { database, newId: uuidv7, now: () => Date.parse(AT) };
  return { file, database, ask: (request) => erase(parts, { reason: REASON, by: actorOf(OPEN), ...request }) };
}

async function correct(database: Database): Promise<string[]> {
  const judge = { judge: () => Promise.reject(new Error('everything is said here')) };
  const corrections = createCorrections({
    database,
    judge,
    modelDigest: 'm',
    now: () => Date.parse(AT),
    newId: uuidv7,
  });
  const said = {
    premise: SECRET,
    nli_hypothesis: SECRET_HYPOTHESIS,
    original_label: 'supports',
    original_confidence: 0.9,
    page_id: 'p7',
    reviewer: 'r1',
  } as const;
  const ids: string[] = [];
  for (const correct_label of ['neutral', 'refutes'] as const) {
    const idempotency = { key: correct_label, body_sha256: correct_label };
    const [result] = await corrections.correct({
      items: [{ ...said, correct_label }],
      sender: senderOf(OPEN),
      idempotency,
    });
    ids.push(result?.correction?.id ?? '');
  }
  return ids;
}

const ADAPTER = {
  id: 'a-1',
  digest: 'd'.repeat(64),
  config_sha256: 'c'.repeat(64),
  weights_sha256: 'w'.repeat(64),
  base_digest: 'b',
  base_model: 'tiny',
  origin: 'trained',
  run_id: 'run-1',
  r: 8,
  lora_alpha: 16,
  target_modules: ['query_proj'],
  created_at: AT,
} as const;

/** A run that learnt from the correction, its adapter, and its comparison whose report shows it. */
async function learn(database: Database, correction_id: string): Promise<void> {
  await database.run('startTrainingRun', {
    id: 'run-1',
    at: AT,
    actor: null,
    base_model: 'tiny',
    base_digest: 'b',
    code_version: '1',
    parameters: {},
    seed: 42,
    replay: 'none',
    min_corrections: 1,
    force: true,
    when_new: null,
    rows: [{ correction_id, side: 'train', kind: 'correction' }],
    left_out: [],
  });
  const lease = { owner: 'p1', lease_until: AT };
  const claim = await database.run('claimTrainingRun', { base_digest: 'b', at: AT, lease });
  const fence = claim.kind === 'claimed' ? claim.fence : null;
  const { adapter } = await database.run('insertAdapter', ADAPTER);
  await compare(database, 'c-1', correction_id);
  await database.run('noteTrainingRun', {
    ...fence!,
    at: AT,
    events: [],
    adapter_id: adapter.id,
    comparison_id: 'c-1',
  });
  await database.run('endTrainingRun', { ...fence!, at: AT, state: 'succeeded', error: null });
}

const sides = { base_digest: 'b', old_adapter_id: null, old_version: null, old_digest: null } as const;

async function compare(database: Database, id: string, correction_id: string): Promise<void> {
  const other = { new_adapter_id: 'a-1', new_version: 'v1', new_digest: ADAPTER.digest, run_id: null, created_at: AT };
  await database.run('insertComparison', { comparison: { id, ...sides, ...other }, most_waiting: 9 });
  await database.run('beginComparison', { at: AT, most_attempts: 3 });
  const flip = (name: string, premise: string) => ({ correction_id: name, premise, nli_hypothesis: SECRET_HYPOTHESIS });
  const report = JSON.stringify({
    n: 2,
    flips: { fixed: [flip(correction_id, SECRET)], broken: [flip('another', 'Kept.')] },
  });
  const end = { verdict: 'recommend', old_accuracy: 0.5, new_accuracy: 1, recommend_deploy: 1, error: null } as const;
  await database.run('endComparison', { id, report, state: 'succeeded', ended_at: AT, ...end });
}

const bytesOf = (file: string): string =>
  [file, `${file}-wal`].map((one) => (existsSync(one) ? readFileSync(one, 'latin1') : '')).join('');

/** The words of the texts, whatever their case: nothing of it may be left in the files. */
const traces = (file: string): number => bytesOf(file).toLowerCase().split('harbour lane').length - 1;

const SUBJECTS: readonly (readonly [string, Partial<ErasureRequest>])[] = [
  ['its page', { page_id: 'p7' }],
  ['its texts', { premise: SECRET, nli_hypothesis: SECRET_HYPOTHESIS }],
  ['its texts in other case and spacing', { premise: `  ${SECRET.toLowerCase()}`, nli_hypothesis: SECRET_HYPOTHESIS }],
  ['a judgement of it', { prediction_id: prediction(1000).id }],
];

for (const [name, subject] of SUBJECTS)
  t.test(`a pair erased by ${name} is in no row, report or answer, nor anywhere in the files`, async (t) => {
    const { file, database, ask } = await filled(t);
    t.ok(traces(file) > 6, 'it was there');
    // The other flip of the report has the hypothesis too and belongs to nobody: it is a stranger's to erase.
    const { removed, correction_ids, trained_on } = await ask(subject);
    t.match(removed, { predictions: 2, corrections: 2, texts: 3, answers: 2, flips: 1 });
    t.equal(correction_ids.length, 2);
    t.match(trained_on, [{ run_id: 'run-1', state: 'succeeded', adapter: { id: 'a-1', version: 'v1' } }]);
    const { report } = await database.kysely
      .selectFrom('shadow_comparisons')
      .select('report')
      .executeTakeFirstOrThrow();
    t.match(JSON.parse(report ?? ''), {
      n: 2,
      flips: { fixed: [{ premise: '[erased]', nli_hypothesis: '[erased]' }], broken: [{ premise: 'Kept.' }] },
    });
    t.equal(traces(file), 1, 'only what the report holds of another correction');
    const kept = await database.kysely.selectFrom('predictions').select('page_id').execute();
    t.equal(kept.length, 350, 'all others are there');
    t.match(await correctionOf(database, prediction(1000).id), {
      correction: null,
      error: { code: 'unprocessable', errors: [{ pointer: '/prediction_id' }] },
    });
  });

/** What becomes of a correction of that judgement. */
async function correctionOf(database: Database, prediction_id: string) {
  const judge = { judge: () => Promise.reject(new Error('nothing is judged here')) };
  const corrections = createCorrections({ database, judge, modelDigest: 'm', now: Date.now, newId: uuidv7 });
  const items = [{ prediction_id, correct_label: 'neutral' as const }];
  const [result] = await corrections.correct({ items, sender: senderOf(OPEN) });
  return result;
}

/** As SQLite leaves them where it moves rows between pages, and as it deletes without secure_delete. */
function leaveTraces(file: string): void {
  const database = new Sqlite(file);
  database.pragma('secure_delete = off');
  database.prepare('insert into texts (sha256, text) values (?, ?)').run(Buffer.from('x'), SECRET);
  database.prepare('delete from texts where text = ?').run(SECRET);
  database.close();
}

t.test('traces of rows that were deleted before, in the free space of pages, go too', async (t) => {
  const file = fileIn(t);
  const before = await openFor(t, file);
  await before.run('recordPredictions', { rows: predictions(0, 10) });
  await before.close();
  leaveTraces(file);
  const database = await openFor(t, file);
  t.ok(traces(file) > 0);
  await erase(
    { database, newId: uuidv7, now: () => Date.parse(AT) },
    { page_id: 'p7', reason: REASON, by: actorOf(OPEN) },
  );
  t.equal(traces(file), 0);
});

t.test('a comparison that ends after the erasure keeps nothing of it', async (t) => {
  const { database, ask } = await filled(t);
  const [correction = ''] = (await ask({ page_id: 'p7' })).correction_ids;
  await compare(database, 'c-2', correction);
  const { report } = await database.kysely
    .selectFrom('shadow_comparisons')
    .select('report')
    .where('id', '=', 'c-2')
    .executeTakeFirstOrThrow();
  t.match(JSON.parse(report ?? ''), { flips: { fixed: [{ premise: '[erased]' }] } });
});

/** An erasure of the page p7 that stops before anything is removed. */
const BEGUN = {
  id: 'e-1',
  kind: 'page',
  subject: 'p7',
  reason: REASON,
  by: actorOf(OPEN),
  started_at: AT,
} as const;

t.test(
  'a correction that names another page goes with the judgement it is of, however few rows go at once',
  async (t) => {
    const { file, database } = await filled(t);
    const { id: prediction_id } = prediction(1000);
    await correctElsewhere(database, prediction_id);
    const target = { kind: 'page', page_id: 'p7' } as const;
    await database.run('beginErasure', BEGUN);
    while (await database.run('eraseSome', { erasure_id: 'e-1', limit: 1, target }));
    const parts = { database, newId: uuidv7, now: () => Date.parse(AT) };
    const { removed } = await erase(parts, { page_id: 'p7', reason: REASON, by: actorOf(OPEN) });
    t.match(removed, { predictions: 2, corrections: 4, texts: 3, answers: 2, flips: 1 });
    t.equal(traces(file), 1);
  },
);

/** Two corrections of the judgement, the first replaced, that name a page of their own. */
async function correctElsewhere(database: Database, prediction_id: string): Promise<void> {
  const judge = { judge: () => Promise.reject(new Error('everything is recorded here')) };
  const corrections = createCorrections({ database, judge, modelDigest: 'm', now: Date.now, newId: uuidv7 });
  for (const correct_label of ['neutral', 'refutes'] as const)
    await corrections.correct({
      items: [{ prediction_id, correct_label, page_id: 'p8', reviewer: 'r2' }],
      sender: senderOf(OPEN),
    });
}

t.test('an erasure that is made to go over answers and reports again counts them once', async (t) => {
  const { database, ask } = await filled(t);
  await database.run('beginErasure', BEGUN);
  await database.run('eraseSome', { erasure_id: 'e-1', limit: 9, target: { kind: 'page', page_id: 'p7' } });
  t.equal(await database.run('eraseFlips', { erasure_id: 'e-1', after: 0, limit: 1 }), 1);
  t.equal(await database.run('eraseFlips', { erasure_id: 'e-1', after: 1, limit: 1 }), null);
  t.match((await ask({ page_id: 'p7' })).removed, { answers: 2, flips: 1 });
});

t.test('a premise that another page has too stays with it', async (t) => {
  const { file, database, ask } = await filled(t);
  const other = { premise: SECRET, nli_hypothesis: 'Something else.', page_id: 'p9' };
  await database.run('recordPredictions', { rows: [prediction(5000, other)] });
  const { removed } = await ask({ page_id: 'p7' });
  t.match(removed, { predictions: 2, texts: 2 });
  const premises = await database.kysely.selectFrom('texts').select('text').where('text', '=', SECRET).execute();
  t.equal(premises.length, 1);
  t.ok(traces(file) > 0);
});

t.test('an erasure that was cut short goes on, and its answer has all that was removed', async (t) => {
  const { file, database } = await filled(t);
  await database.run('beginErasure', BEGUN);
  await database.run('eraseSome', { erasure_id: 'e-1', limit: 1, target: { kind: 'page', page_id: 'p7' } });
  await database.close();
  const reopened = await openDatabase({ url: `sqlite:${file}` });
  t.teardown(() => reopened.close());
  const parts = { database: reopened, newId: uuidv7, now: () => Date.parse(AT) };
  const { id, removed, trained_on } = await erase(parts, { page_id: 'p7', reason: REASON, by: actorOf(OPEN) });
  t.equal(id, 'e-1');
  t.match(removed, { predictions: 2, corrections: 2, texts: 3, answers: 2, flips: 1 });
  t.equal(trained_on.length, 1);
  t.equal(traces(file), 1);
});

t.test('what names no subject, or two, or none that is known, is refused', async (t) => {
  const { ask } = await filled(t);
  await t.rejects(ask({}), { code: 'invalid-request' });
  await t.rejects(ask({ premise: 'A.' }), { code: 'invalid-request' });
  await t.rejects(ask({ page_id: 'p7', prediction_id: 'x' }), { code: 'invalid-request' });
  await t.rejects(ask({ prediction_id: 'x' }), { code: 'not-found' });
});
