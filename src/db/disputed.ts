/** The list of what a reviewer should look at first: where a live shadow disagreed, then where the best scores are close. */
import type { Kysely } from 'kysely';
import { disputed, matching, type PredictionFilters } from './filters.js';
import { type Key, ORDERS, pageOf } from './pages.js';
import type { Schema } from './schema.js';

/** 0: disputed and not reviewed; 1: all others. Then the margin and `seq`. */
export type WantedKey = readonly [tier: number, margin: number, seq: number];

export const WANTED_SHAPE = ['number', 'number', 'number'] as const;

export interface WantedRequest {
  readonly filters: PredictionFilters;
  /** The last row of the page before. */
  readonly after: WantedKey | null;
  readonly count: number;
}

/**
 * Keys of the next `count` rows. Who may see only what a key of theirs asked for is not told what a candidate thinks of it,
 * not even by the order.
 */
export async function wantedPage(db: Kysely<Schema>, { filters, after, count }: WantedRequest): Promise<WantedKey[]> {
  const [tier = 0, ...rest] = after ?? [];
  const key = after === null ? null : (rest as unknown as Key);
  const all = filters.key_id === undefined;
  const first = all && tier === 0 ? await disputedKeys(db, filters, key, count) : [];
  if (first.length === count) return first;
  const others = { filters: all ? { ...filters, undisputed: true } : filters, count: count - first.length };
  const second = await pageOf(db, ORDERS.wanted, { ...others, after: tier === 1 ? key : null });
  return [...first, ...second.map(([margin, seq]) => [1, Number(margin), seq] as const)];
}

async function disputedKeys(
  db: Kysely<Schema>,
  filters: PredictionFilters,
  after: Key | null,
  count: number,
): Promise<WantedKey[]> {
  const rows = await db
    .selectFrom('shadow_disagreements')
    .innerJoin('predictions', 'predictions.seq', 'prediction_seq')
    .select(['active_margin', 'prediction_seq'])
    .where((eb) => matching(eb as never, filters))
    .where(disputed)
    .$if(after !== null, (query) =>
      query.where((eb) =>
        eb(eb.refTuple('active_margin', 'prediction_seq'), '>', eb.tuple(Number(after?.[0]), after?.[1] ?? 0)),
      ),
    )
    .orderBy('active_margin')
    .orderBy('prediction_seq')
    .limit(count)
    .execute();
  return rows.map(({ active_margin, prediction_seq }) => [0, active_margin, prediction_seq] as const);
}
