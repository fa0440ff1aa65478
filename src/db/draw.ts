/** A uniform draw without replacement, decided by a hash of each row's number. */
import { type Kysely, sql } from 'kysely';
import { matching, type PredictionFilters } from './filters.js';
import type { Schema } from './schema.js';

/** A Mersenne prime: products of two residues stay below 2^62, which SQLite's integers hold. */
const PRIME = 2 ** 31 - 1;

/**
 * The numbers of `count` random rows among those that match, in random order. Rows are ordered by a random cubic
 * polynomial over the integers modulo 2^31 - 1, a 4-wise independent hash (Wegman and Carter, 1981), so each is as likely
 * as any other to be among the first, and one look at an index suffices, whatever the filters.
 */
export async function drawSeqs(
  db: Kysely<Schema>,
  filters: PredictionFilters,
  count: number,
  random: () => number,
): Promise<number[]> {
  const [a, b, c, d] = Array.from({ length: 4 }, () => Math.floor(random() * PRIME));
  const hash = sql<number>`((((${a} * seq + ${b}) % ${PRIME}) * seq + ${c}) % ${PRIME} * seq + ${d}) % ${PRIME}`;
  const rows = await db
    .selectFrom('predictions')
    .select('seq')
    .where((eb) => matching(eb, filters))
    .orderBy(hash)
    .limit(count)
    .execute();
  return rows.map(({ seq }) => seq);
}
