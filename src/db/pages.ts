/** Pages of a list by keys, not by offset: each page is a range of an index. */
import type { Expression, ExpressionBuilder, Kysely, SqlBool } from 'kysely';
import { matching, type PredictionFilters } from './filters.js';
import type { Schema } from './schema.js';

export interface Order {
  readonly column: 'created_at' | 'margin';
  readonly direction: 'asc' | 'desc';
  /** Types of a key, to know a cursor of this list from one of another. */
  readonly shape: readonly ['string' | 'number', 'number'];
}

/** Where a row stands in an order: the value of its column, then `seq`. */
export type Key = readonly [string | number, number];

export const ORDERS = {
  newest: { column: 'created_at', direction: 'desc', shape: ['string', 'number'] },
  /** The two best scores nearly equal: where an answer of a person teaches most. */
  wanted: { column: 'margin', direction: 'asc', shape: ['number', 'number'] },
} as const satisfies Record<string, Order>;

export interface PageRequest {
  readonly filters: PredictionFilters;
  /** The last row of the page before. */
  readonly after: Key | null;
  readonly count: number;
}

type Rows = ExpressionBuilder<Schema, 'predictions'>;

/** Texts read in one query when they are searched through: between two such queries other lists get their turn. */
const WINDOW = 10_000;

function compare(
  rows: Rows,
  { column }: Order,
  operator: '<' | '<=' | '>' | '>=',
  [value, seq]: Key,
): Expression<SqlBool> {
  return rows(rows.refTuple(column, 'seq'), operator, rows.tuple(value, seq));
}

interface Range extends PageRequest {
  /** The last row that is looked at. */
  readonly through?: Key | undefined;
  readonly skip?: number;
}

async function keysIn(db: Kysely<Schema>, order: Order, range: Range): Promise<Key[]> {
  const { filters, after, through, count, skip = 0 } = range;
  const forward = order.direction === 'asc';
  const rows = await db
    .selectFrom('predictions')
    .select([order.column, 'seq'])
    .where((eb) => matching(eb, filters))
    .$if(after !== null, (query) => query.where((eb) => compare(eb, order, forward ? '>' : '<', after as Key)))
    .$if(through !== undefined, (query) =>
      query.where((eb) => compare(eb, order, forward ? '<=' : '>=', through as Key)),
    )
    .orderBy(order.column, order.direction)
    .orderBy('seq', order.direction)
    .limit(count)
    .offset(skip)
    .execute();
  return rows.map((row) => [row[order.column], row.seq] as const);
}

/** Keys of the next `count` rows that match, in order. */
export async function pageOf(db: Kysely<Schema>, order: Order, request: PageRequest): Promise<Key[]> {
  const { text, ...others } = request.filters;
  if (text === undefined) return await keysIn(db, order, request);
  const keys: Key[] = [];
  let after = request.after;
  do {
    const [through] = await keysIn(db, order, { filters: others, after, count: 1, skip: WINDOW - 1 });
    const count = request.count - keys.length;
    keys.push(...(await keysIn(db, order, { filters: request.filters, after, through, count })));
    after = through ?? null;
  } while (after !== null && keys.length < request.count);
  return keys;
}
