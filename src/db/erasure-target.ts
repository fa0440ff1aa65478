/** What an erasure removes: a page, or a pair however it is written. */
import type { Kysely } from 'kysely';
import { normaliseText, pairKey } from './pair-key.js';
import type { Schema } from './schema.js';

/** A page by its id; a pair by the digest of its normalised texts, and the ids of all texts that read the same. */
export type ErasureTarget =
  | { readonly kind: 'page'; readonly page_id: string }
  | {
      readonly kind: 'pair';
      readonly pair_sha256: string;
      readonly premise_ids: readonly number[];
      readonly hypothesis_ids: readonly number[];
    };

export interface PairTexts {
  readonly premise: string;
  readonly nli_hypothesis: string;
}

/** The texts of a judgement, also of one that is forgotten while a correction of it is still there; else undefined. */
export async function textsOfPrediction(db: Kysely<Schema>, id: string): Promise<PairTexts | undefined> {
  const judgement = await db
    .selectFrom('predictions')
    .innerJoin('texts as premises', 'premises.id', 'premise_id')
    .innerJoin('texts as hypotheses', 'hypotheses.id', 'hypothesis_id')
    .select(['premises.text as premise', 'hypotheses.text as nli_hypothesis'])
    .where('predictions.id', '=', id)
    .executeTakeFirst();
  return judgement ?? (await textsOfCorrection(db, id, 'prediction_id'));
}

/** The texts of a correction, current or ended, by its own id or its judgement's; undefined when there is none. */
export async function textsOfCorrection(
  db: Kysely<Schema>,
  id: string,
  column: 'id' | 'prediction_id' = 'id',
): Promise<PairTexts | undefined> {
  for (const table of ['nli_corrections', 'nli_correction_history'] as const) {
    const row = await db
      .selectFrom(table as 'nli_corrections')
      .select(['premise', 'nli_hypothesis'])
      .where(column, '=', id)
      .executeTakeFirst();
    if (row !== undefined) return row;
  }
  return undefined;
}

const TEXTS_PER_READ = 500;

/** Every text that differs from the pair's in case or white space only is the pair's too. Reads all texts. */
export async function pairTarget(db: Kysely<Schema>, { premise, nli_hypothesis }: PairTexts): Promise<ErasureTarget> {
  const sought = { premise: normaliseText(premise), hypothesis: normaliseText(nli_hypothesis) };
  const premise_ids: number[] = [];
  const hypothesis_ids: number[] = [];
  for await (const { id, text } of db.selectFrom('texts').select(['id', 'text']).stream(TEXTS_PER_READ)) {
    const normalised = normaliseText(text);
    if (normalised === sought.premise) premise_ids.push(id);
    if (normalised === sought.hypothesis) hypothesis_ids.push(id);
  }
  return { kind: 'pair', pair_sha256: pairKey(premise, nli_hypothesis), premise_ids, hypothesis_ids };
}
