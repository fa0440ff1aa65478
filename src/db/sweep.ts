/** The unit of work that forgets: a bounded number of the oldest predictions, and texts that only they used. */
import { type Kysely, sql } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Schema } from './schema.js';

export interface SweepInput {
  /** Predictions made before this go (ISO 8601, UTC, milliseconds). */
  readonly before: string;
  /** While the file uses more, those made before `full_before` go too, the oldest first. Null: it may be as large as it is. */
  readonly max_bytes: number | null;
  readonly full_before: string;
  /** At most so many predictions go in this unit, so that others get their turn. */
  readonly limit: number;
}

export interface SweepOutput {
  readonly deleted: number;
  /** What the file's pages in use take now. */
  readonly bytes: number;
  /** False when another sweep would find more. */
  readonly done: boolean;
}

interface Victim {
  readonly seq: number;
  readonly premise_id: number;
  readonly hypothesis_id: number;
}

/** Bytes of the pages in use; free pages, which the next commit cuts off, do not count. */
async function usedBytes(db: Kysely<Schema>): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    select (page_count - freelist_count) * page_size as bytes
    from pragma_page_count, pragma_freelist_count, pragma_page_size`.execute(db);
  return rows[0]?.bytes ?? 0;
}

/** The tables that only recorded judgements fill, with their indices. */
const OF_JUDGEMENTS = ['texts', 'predictions', 'shadow_disagreements'];

export interface Size {
  /** What judgements and their texts take. */
  readonly judgements: number;
  /** What everything takes. */
  readonly all: number;
}

/** Bytes of the pages in use. Reads every page of the tables of judgements, unless all together take no more than `enough`. */
export async function sizeOf(db: Kysely<Schema>, enough: number): Promise<Size> {
  const all = await usedBytes(db);
  if (all <= enough) return { judgements: all, all };
  const { rows } = await sql<{ bytes: number | null }>`
    select sum(pgsize) as bytes from sqlite_schema join dbstat('main', 1) as stat on stat.name = sqlite_schema.name
    where tbl_name in (${sql.join(OF_JUDGEMENTS)})`.execute(db);
  return { judgements: rows[0]?.bytes ?? 0, all };
}

async function oldest(db: Kysely<Schema>, limit: number, before: string): Promise<Victim[]> {
  return await db
    .selectFrom('predictions')
    .select(['seq', 'premise_id', 'hypothesis_id'])
    .where('created_at', '<', before)
    .orderBy('created_at')
    .orderBy('seq')
    .limit(limit)
    .execute();
}

/** Deletes these predictions and the texts that only they used; resolves with how many texts went. */
export async function forgetPredictions(db: Kysely<Schema>, victims: readonly Victim[]): Promise<number> {
  const seqs = victims.map(({ seq }) => seq);
  const texts = new Set(victims.flatMap(({ premise_id, hypothesis_id }) => [premise_id, hypothesis_id]));
  await db.deleteFrom('predictions').where('seq', 'in', seqs).execute();
  const used = (by: 'premise_id' | 'hypothesis_id') =>
    db.selectFrom('predictions').select('seq').whereRef(by, '=', sql.ref('texts.id'));
  const { numDeletedRows } = await db
    .deleteFrom('texts')
    .where('id', 'in', [...texts])
    .where((eb) => eb.not(eb.or([eb.exists(used('premise_id')), eb.exists(used('hypothesis_id'))])))
    .executeTakeFirst();
  return Number(numDeletedRows);
}

/** Deletes up to `limit` predictions; the commit gives their pages back to the file system. */
export async function sweep(db: Kysely<Schema>, input: SweepInput): Promise<SweepOutput> {
  const { before, full_before, limit } = input;
  const max_bytes = input.max_bytes ?? Number.POSITIVE_INFINITY;
  const full = (await usedBytes(db)) > max_bytes;
  const victims = await oldest(db, limit, full && full_before > before ? full_before : before);
  if (victims.length > 0) await forgetPredictions(db, victims);
  failpoint('sweep.deleted');
  const bytes = await usedBytes(db);
  const more = victims.length > 0 && (victims.length === limit || bytes > max_bytes || full);
  return { deleted: victims.length, bytes, done: !more };
}
