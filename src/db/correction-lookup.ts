/** What is already known of corrections that come in: judgements of their pairs, and rows they repeat or replace. */
import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import { type CorrectionInput, type Form, formOf } from './correction-input.js';
import { UNNAMED_PAIR } from '../limits.js';
import type { CorrectionRow, EndedCorrectionRow } from './correction-rows.js';
import { type PredictionRow, selectPredictions } from './prediction-rows.js';
import type { Schema } from './schema.js';

/** `several`: judgements of that pair_id have different texts. */
export type Found = PredictionRow | 'several' | undefined;

export interface Judgements {
  readonly byId: ReadonlyMap<string, PredictionRow>;
  readonly byPairId: ReadonlyMap<string, PredictionRow | 'several'>;
  readonly byTexts: ReadonlyMap<string, PredictionRow>;
}

const textsKey = (premise: string, hypothesis: string): string => JSON.stringify([premise, hypothesis]);

const FINDS: Readonly<Record<Form, (found: Judgements, input: CorrectionInput) => Found>> = {
  prediction: ({ byId: known }, { prediction_id }) => known.get(prediction_id ?? ''),
  pair_id: ({ byPairId }, { pair_id }) => byPairId.get(pair_id ?? ''),
  full: ({ byTexts: known }, { premise = '', nli_hypothesis = '' }) => known.get(textsKey(premise, nli_hypothesis)),
  restored: () => undefined,
};

/** The judgement that a correction is of, the newest where there are several of the same texts. */
export const judgementOf = (found: Judgements, input: CorrectionInput): Found => FINDS[formOf(input)](found, input);

const present = (values: readonly (string | null | undefined)[]): string[] => [
  ...new Set(values.filter((value): value is string => value !== undefined && value !== null)),
];

async function byIds(db: Kysely<Schema>, ids: readonly string[]): Promise<Map<string, PredictionRow>> {
  if (ids.length === 0) return new Map();
  const rows = await selectPredictions(db).where('predictions.id', 'in', ids).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** The newest judgement of each pair_id; `several` when an older one has other texts. */
async function byPairIds(
  db: Kysely<Schema>,
  pairIds: readonly string[],
): Promise<Map<string, PredictionRow | 'several'>> {
  const found = new Map<string, PredictionRow | 'several'>();
  for (const pairId of pairIds) {
    const one = pairId === UNNAMED_PAIR ? 'several' : await newestOfPair(db, pairId);
    if (one !== undefined) found.set(pairId, one);
  }
  return found;
}

/** Reads as far back as all texts are the same, no further: one name may have nearly all judgements. */
async function newestOfPair(db: Kysely<Schema>, pairId: string): Promise<Found> {
  const ofPair = db.selectFrom('predictions').where('pair_id', '=', pairId).orderBy('created_at', 'desc');
  const newest = await ofPair
    .select(['seq', 'premise_id', 'hypothesis_id'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (newest === undefined) return undefined;
  const { seq, premise_id, hypothesis_id } = newest;
  const other = await ofPair
    .select('seq')
    .where((eb) => eb.or([eb('premise_id', '!=', premise_id), eb('hypothesis_id', '!=', hypothesis_id)]))
    .limit(1)
    .executeTakeFirst();
  return other === undefined ? (await bySeqs(db, [seq]))[0] : 'several';
}

async function bySeqs(db: Kysely<Schema>, seqs: readonly number[]): Promise<PredictionRow[]> {
  return seqs.length === 0 ? [] : await selectPredictions(db).where('predictions.seq', 'in', seqs).execute();
}

type Texts = readonly [premise: string, hypothesis: string];

/** Text → its id, of those that some judgement has. */
async function textIds(db: Kysely<Schema>, texts: readonly string[]): Promise<Map<string, number>> {
  const digests = new Map(texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]));
  const sought = [...digests.keys()].map((hex) => Buffer.from(hex, 'hex'));
  const rows = await db.selectFrom('texts').select(['id', 'sha256']).where('sha256', 'in', sought).execute();
  return new Map(rows.map(({ id, sha256 }) => [digests.get(Buffer.from(sha256).toString('hex')) ?? '', id]));
}

/** The newest judgement of exactly these texts. */
async function byTexts(db: Kysely<Schema>, pairs: readonly Texts[]): Promise<Map<string, PredictionRow>> {
  if (pairs.length === 0) return new Map();
  const ids = await textIds(db, [...new Set(pairs.flat())]);
  const known = pairs.flatMap(([premise, hypothesis]) => {
    const both = [ids.get(premise), ids.get(hypothesis)] as const;
    return both[0] === undefined || both[1] === undefined ? [] : [both as readonly [number, number]];
  });
  if (known.length === 0) return new Map();
  const newest = await db
    .selectFrom('predictions')
    .select(({ fn }) => fn.max('seq').as('seq'))
    .where(
      sql<boolean>`(premise_id, hypothesis_id) in (values ${sql.join(known.map((pair) => sql`(${sql.join(pair)})`))})`,
    )
    .groupBy(['premise_id', 'hypothesis_id'])
    .execute();
  const rows = await bySeqs(
    db,
    newest.map(({ seq }) => seq),
  );
  return new Map(rows.map((row) => [textsKey(row.premise, row.nli_hypothesis), row]));
}

export async function findJudgements(db: Kysely<Schema>, inputs: readonly CorrectionInput[]): Promise<Judgements> {
  const of = (form: Form) => inputs.filter((input) => formOf(input) === form);
  const pairs = of('full').map(({ premise = '', nli_hypothesis = '' }): Texts => [premise, nli_hypothesis]);
  return {
    byId: await byIds(db, present(of('prediction').map(({ prediction_id }) => prediction_id))),
    byPairId: await byPairIds(db, present(of('pair_id').map(({ pair_id }) => pair_id))),
    byTexts: await byTexts(db, pairs),
  };
}

type Row = CorrectionRow | EndedCorrectionRow;

/** Rows, current or ended, whose `column` is one of `values`. */
export async function findRows(
  db: Kysely<Schema>,
  column: 'id' | 'external_id',
  values: readonly (string | null | undefined)[],
): Promise<Map<string, Row>> {
  const sought = present(values);
  if (sought.length === 0) return new Map();
  const ended = await db.selectFrom('nli_correction_history').selectAll().where(column, 'in', sought).execute();
  const current = await db.selectFrom('nli_corrections').selectAll().where(column, 'in', sought).execute();
  return new Map([...ended, ...current].map((row) => [row[column] ?? '', row]));
}

/** Current rows of these judgements or these pairs: those that a correction may replace. */
export async function findCurrent(
  db: Kysely<Schema>,
  predictionIds: readonly (string | null)[],
  pairs: readonly string[],
): Promise<CorrectionRow[]> {
  const [ofPrediction, ofPair] = [present(predictionIds), present(pairs)];
  const query = db.selectFrom('nli_corrections').selectAll();
  const linked = ofPrediction.length === 0 ? [] : await query.where('prediction_id', 'in', ofPrediction).execute();
  const unlinked =
    ofPair.length === 0
      ? []
      : await query.where('prediction_id', 'is', null).where('pair_sha256', 'in', ofPair).execute();
  return [...linked, ...unlinked];
}
