/** Reading recorded judgements: one, a page of them, or a random draw. */
import type { Kysely } from 'kysely';
import { Problem } from '../errors.js';
import { DEFAULT_ITEMS, LIMITS } from '../limits.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import type { PredictionFilters } from './filters.js';
import { type Key, ORDERS, type Order, pageOf } from './pages.js';
import { type Prediction, selectPredictions, toPrediction } from './prediction-rows.js';
import { drawSeqs } from './draw.js';
import type { Schema } from './schema.js';

export interface ListOptions extends PredictionFilters {
  /** `wanted`: the closest decisions first. `random`: a uniform draw from what matches. Else the newest first. */
  readonly review?: 'wanted' | 'random';
  /** From 1 to LIMITS.items_per_list. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface PredictionPage {
  readonly items: Prediction[];
  /** Gives the page after this one; null at the end, and always for a random draw. */
  readonly next_cursor: string | null;
}

function invalid(pointer: string, detail: string): Problem {
  return new Problem('invalid-request', `${pointer} ${detail}`, { errors: [{ pointer, detail }] });
}

/** The prediction of that id, or null; with `key_id` only one that this key asked for. */
export async function getPrediction(db: Kysely<Schema>, id: string, key_id?: string): Promise<Prediction | null> {
  const row = await selectPredictions(db)
    .where('predictions.id', '=', id)
    .$if(key_id !== undefined, (query) => query.where('key_id', '=', key_id as string))
    .executeTakeFirst();
  return row === undefined ? null : toPrediction(row);
}

async function fetch(db: Kysely<Schema>, seqs: readonly number[]): Promise<Prediction[]> {
  const rows = await selectPredictions(db).where('predictions.seq', 'in', seqs).execute();
  const bySeq = new Map(rows.map((row) => [row.seq, toPrediction(row)]));
  return seqs.flatMap((seq) => bySeq.get(seq) ?? []);
}

async function listPage(
  db: Kysely<Schema>,
  order: Order,
  limit: number,
  options: ListOptions,
): Promise<PredictionPage> {
  const after = options.cursor === undefined ? null : (decodeCursor(options.cursor, order.shape) as Key);
  const keys = await pageOf(db, order, { filters: options, after, count: limit + 1 });
  const last = keys.length > limit ? keys[limit - 1] : undefined;
  const items = await fetch(
    db,
    keys.slice(0, limit).map(([, seq]) => seq),
  );
  return { items, next_cursor: last === undefined ? null : encodeCursor(last) };
}

/**
 * Predictions that match all filters given. Pages follow each other by `next_cursor`: a walk meets what was there at its
 * start exactly once, whatever is recorded meanwhile. `random` (uniform in [0, 1)) decides the draw of `review: 'random'`.
 * Throws Problem 'invalid-request' for a cursor, limit or time that is none.
 */
export async function listPredictions(
  db: Kysely<Schema>,
  options: ListOptions = {},
  random: () => number = Math.random,
): Promise<PredictionPage> {
  const { review, limit = DEFAULT_ITEMS, cursor } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.items_per_list)
    throw invalid('limit', `must be from 1 to ${LIMITS.items_per_list}`);
  if (review !== 'random') return await listPage(db, ORDERS[review ?? 'newest'], limit, options);
  if (cursor !== undefined) throw invalid('cursor', 'a random draw has no pages');
  return { items: await fetch(db, await drawSeqs(db, options, limit, random)), next_cursor: null };
}
