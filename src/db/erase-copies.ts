/**
 * The units of work that erase what was made of corrections: answers kept for repeated requests, and the pairs that reports
 * of comparisons show. To be called when the rows are gone: from then on no new answer holds one.
 */
import { type Kysely, sql } from 'kysely';
import { type FlipReport, withoutTexts } from './flip-texts.js';
import type { Schema } from './schema.js';

export interface EraseCopiesInput {
  readonly erasure_id: string;
  /** The rows after this one are looked at, 0 to begin with. */
  readonly after: number;
  /** At most so many rows are looked at, so that others get their turn. */
  readonly limit: number;
}

type Copies = 'idempotency_keys' | 'shadow_comparisons';

/** The last of the next rows of the table, null when there is none. */
async function endOf(db: Kysely<Schema>, table: Copies, after: number, limit: number): Promise<number | null> {
  const { rows } = await sql<{ last: number | null }>`
    select max(row) as last from (select rowid as row from ${sql.table(table)}
      where rowid > ${after} order by rowid limit ${limit})`.execute(db);
  return rows[0]?.last ?? null;
}

const within = (after: number, last: number) => sql<boolean>`rowid > ${after} and rowid <= ${last}`;

const erasedBy = (erasure_id: string) =>
  sql`select correction_id from erased_corrections where erasure_id = ${erasure_id}`;

/** Answers that hold an erased correction: who repeats such a request is answered as for the first time. Null: no more. */
export async function eraseAnswers(
  db: Kysely<Schema>,
  { erasure_id, after, limit }: EraseCopiesInput,
): Promise<number | null> {
  const last = await endOf(db, 'idempotency_keys', after, limit);
  if (last === null) return null;
  const { numDeletedRows } = await db
    .deleteFrom('idempotency_keys')
    .where(within(after, last))
    .where(
      sql<boolean>`exists (select 1 from json_tree(answer) as part
        where part.key = 'id' and part.atom in (${erasedBy(erasure_id)}))`,
    )
    .executeTakeFirst();
  await db
    .updateTable('erasures')
    .set((eb) => ({ answers: eb('answers', '+', Number(numDeletedRows)) }))
    .where('id', '=', erasure_id)
    .execute();
  return last;
}

/** The texts of erased corrections in reports; the figures stay. Null: no more. */
export async function eraseFlips(
  db: Kysely<Schema>,
  { erasure_id, after, limit }: EraseCopiesInput,
): Promise<number | null> {
  const last = await endOf(db, 'shadow_comparisons', after, limit);
  if (last === null) return null;
  let flips = 0;
  for (const row of await reportsOf(db, erasure_id, within(after, last))) flips += await blank(db, row);
  await db
    .updateTable('erasures')
    .set((eb) => ({ flips: eb('flips', '+', flips) }))
    .where('id', '=', erasure_id)
    .execute();
  return last;
}

interface Shown {
  readonly id: string;
  readonly report: string;
  /** JSON: the ids of the erased corrections that it shows. */
  readonly gone: string;
}

async function reportsOf(
  db: Kysely<Schema>,
  erasure_id: string,
  slice: ReturnType<typeof within>,
): Promise<readonly Shown[]> {
  const { rows } = await sql<Shown>`
    select id, report, (select json_group_array(part.atom) from json_tree(report, '$.flips') as part
      where part.key = 'correction_id' and part.atom in (${erasedBy(erasure_id)})) as gone
    from shadow_comparisons where ${slice} and report is not null and gone <> '[]'`.execute(db);
  return rows;
}

async function blank(db: Kysely<Schema>, { id, report, gone }: Shown): Promise<number> {
  const without = withoutTexts(JSON.parse(report) as FlipReport, new Set(JSON.parse(gone) as string[]));
  await db
    .updateTable('shadow_comparisons')
    .set({ report: JSON.stringify(without.report) })
    .where('id', '=', id)
    .execute();
  return without.flips;
}
