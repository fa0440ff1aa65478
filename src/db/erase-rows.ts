/** The unit of work that erases judgements and corrections, a bounded number at a time. */
import type { Kysely } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { ErasureTarget } from './erasure-target.js';
import type { Schema } from './schema.js';
import { forgetPredictions } from './sweep.js';

export interface EraseSomeInput {
  readonly erasure_id: string;
  /** Of each table at most so many rows, so that others get their turn. */
  readonly limit: number;
  readonly target: ErasureTarget;
}

const CORRECTION_TABLES = ['nli_corrections', 'nli_correction_history'] as const;

/**
 * Erases up to `limit` rows of each table. True: another call finds more. Judgements stay until all corrections of them
 * are gone: one that names another page is known by its judgement alone.
 */
export async function eraseSome(db: Kysely<Schema>, { erasure_id, limit, target }: EraseSomeInput): Promise<boolean> {
  const found = await victimsOf(db, target, limit);
  const judgements = found.map(({ id }) => id);
  const corrections: string[] = [];
  let more = false;
  for (const table of CORRECTION_TABLES) {
    const ids = await eraseCorrections(db, table, { target, judgements, limit });
    more ||= ids.length === limit;
    corrections.push(...ids);
  }
  failpoint('erasure.corrections.deleted');
  const victims = more ? [] : found;
  const texts = victims.length > 0 ? await forgetPredictions(db, victims) : 0;
  failpoint('erasure.judgements.deleted');
  await note(db, erasure_id, corrections, { predictions: victims.length, texts });
  failpoint('erasure.noted');
  return more || found.length === limit;
}

const victimsOf = (db: Kysely<Schema>, target: ErasureTarget, limit: number) =>
  db
    .selectFrom('predictions')
    .select(['seq', 'id', 'premise_id', 'hypothesis_id'])
    .where((eb) =>
      target.kind === 'page'
        ? eb('page_id', '=', target.page_id)
        : eb.and([eb('premise_id', 'in', target.premise_ids), eb('hypothesis_id', 'in', target.hypothesis_ids)]),
    )
    .orderBy('seq')
    .limit(limit)
    .execute();

interface Sought {
  readonly target: ErasureTarget;
  /** Ids; corrections of these go too, whatever page they name. */
  readonly judgements: readonly string[];
  readonly limit: number;
}

/** Resolves with the ids of the rows that are gone. */
async function eraseCorrections(
  db: Kysely<Schema>,
  table: (typeof CORRECTION_TABLES)[number],
  { target, judgements, limit }: Sought,
): Promise<string[]> {
  const rows = await db
    .selectFrom(table as 'nli_corrections')
    .select('id')
    .where((eb) =>
      eb.or([
        target.kind === 'page' ? eb('page_id', '=', target.page_id) : eb('pair_sha256', '=', target.pair_sha256),
        eb('prediction_id', 'in', judgements),
      ]),
    )
    .limit(limit)
    .execute();
  const ids = rows.map(({ id }) => id);
  if (ids.length > 0) await db.deleteFrom(table).where('id', 'in', ids).execute();
  return ids;
}

interface Counts {
  readonly predictions: number;
  readonly texts: number;
}

async function note(db: Kysely<Schema>, id: string, corrections: readonly string[], counts: Counts): Promise<void> {
  const rows = [...new Set(corrections)].map((correction_id) => ({ erasure_id: id, correction_id }));
  if (rows.length > 0)
    await db
      .insertInto('erased_corrections')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  await db
    .updateTable('erasures')
    .set((eb) => ({
      predictions: eb('predictions', '+', counts.predictions),
      texts: eb('texts', '+', counts.texts),
    }))
    .where('id', '=', id)
    .execute();
}
