/** Reading recorded judgements: one, a page of them, or a random draw. */
import type { Kysely } from 'kysely';
import { Problem } from '../errors.js';
import { DEFAULT_ITEMS, LIMITS } from '../limits.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { WANTED_SHAPE, wantedPage } from './disputed.js';
import type { PredictionFilters } from './filters.js';
import { type Key, ORDERS, type Order, pageOf } from './pages.js';
import { type Prediction, selectPredictions, toPrediction } from './prediction-rows.js';
import { drawSeqs } from './draw.js';
import type { Schema } from './schema.js';

export interface ListOptions extends PredictionFilters {
  /** `wanted`: where a live shadow disagreed, then the closest decisions. `random`: a uniform draw from what matches. Else the newest first. */
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
  return row === undefined ? null : seenBy(key_id, toPrediction(row));
}

/** What a candidate said is nothing for the clients of the service. */
const seenBy = (key_id: string | undefined, prediction: Prediction): Prediction =>
  key_id === undefined ? prediction : { ...prediction, shadow: null };

async function fetch(
  db: Kysely<Schema>,
  seqs: readonly number[],
  { key_id }: PredictionFilters,
): Promise<Prediction[]> {
  const rows = await selectPredictions(db).where('predictions.seq', 'in', seqs).execute();
  const bySeq = new Map(rows.map((row) => [row.seq, seenBy(key_id, toPrediction(row))]));
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
    options,
  );
  return { items, next_cursor: last === undefined ? null : encodeCursor(last) };
}

async function listWanted(db: Kysely<Schema>, limit: number, options: ListOptions): Promise<PredictionPage> {
  const after = options.cursor === undefined ? null : decodeCursor(options.cursor, WANTED_SHAPE);
  const keys = await wantedPage(db, { filters: options, after, count: limit + 1 });
  const last = keys.length > limit ? keys[limit - 1] : undefined;
  const seqs = keys.slice(0, limit).map(([, , seq]) => seq);
  return { items: await fetch(db, seqs, options), next_cursor: last === undefined ? null : encodeCursor(last) };
}

/**
 * Predictions that match all filters given. Pages follow each other by `next_cursor`: a walk meets what was there at its
 * start exactly once, whatever is recorded meanwhile; one of `wanted` may meet again what was disputed or reviewed
 * meanwhile. `random` (uniform in [0, 1)) decides the draw of `review: 'random'`.
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
  if (review === 'wanted') return await listWanted(db, limit, options);
  if (review === undefined) return await listPage(db, ORDERS.newest, limit, options);
  if (cursor !== undefined) throw invalid('cursor', 'a random draw has no pages');
  return { items: await fetch(db, await drawSeqs(db, options, limit, random), options), next_cursor: null };
}
