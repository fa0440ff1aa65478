/** Rows of adapters: inserted once, never changed. */
import { type Insertable, type Kysely, type Selectable, sql } from 'kysely';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit } from './audit.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { AdaptersTable, Schema } from './schema.js';
import { type Fence, refuseLate } from './training-run-acts.js';

export type AdapterRow = Omit<Selectable<AdaptersTable>, 'target_modules'> & {
  readonly target_modules: readonly string[];
};

/** The next version of its base model is given by the insertion. */
export type NewAdapter = Omit<Insertable<AdaptersTable>, 'seq' | 'version' | 'target_modules'> & {
  readonly target_modules: readonly string[];
  /** Who brings it; the service itself by default. */
  readonly by?: Actor | undefined;
  /** The attempt of the training run that made it: refused when there is a later one. */
  readonly fence?: Fence | undefined;
};

export interface InsertedAdapter {
  readonly adapter: AdapterRow;
  /** False: an adapter of this digest was there for this base model, and is what is given back. */
  readonly created: boolean;
}

const parsed = (row: Selectable<AdaptersTable>): AdapterRow => ({
  ...row,
  target_modules: JSON.parse(row.target_modules) as string[],
});

async function nextVersion(db: Kysely<Schema>, base_digest: string): Promise<string> {
  const { newest } = await db
    .selectFrom('adapters')
    .select(sql<number | null>`max(cast(substr(version, 2) as integer))`.as('newest'))
    .where('base_digest', '=', base_digest)
    .executeTakeFirstOrThrow();
  return `v${(newest ?? 0) + 1}`;
}

/**
 * A unit of work: the row with the base model's next version, or the one that has the same digest.
 * Throws Problem 'stale-precondition' when the attempt that made it is not its run's present one.
 */
export async function insertAdapter(
  db: Kysely<Schema>,
  { by = SERVICE, fence, ...adapter }: NewAdapter,
): Promise<InsertedAdapter> {
  const { base_digest, digest } = adapter;
  await refuseLate(db, fence);
  const existing = await db
    .selectFrom('adapters')
    .selectAll()
    .where('base_digest', '=', base_digest)
    .where('digest', '=', digest)
    .executeTakeFirst();
  if (existing !== undefined) return { adapter: parsed(existing), created: false };
  const version = await nextVersion(db, base_digest);
  const target_modules = JSON.stringify(adapter.target_modules);
  const values = { ...adapter, version, target_modules };
  const row = await db.insertInto('adapters').values(values).returningAll().executeTakeFirstOrThrow();
  failpoint('adapter.row.written');
  const act = adapter.origin === 'imported' ? 'adapter.import' : 'adapter.train';
  const detail = { version, digest, run_id: row.run_id };
  const subject = { subject_type: 'adapter', subject_id: row.id } as const;
  await appendAudit(db, { ...by, at: row.created_at, act, ...subject, detail });
  return { adapter: parsed(row), created: true };
}

/** By id, or of that base model by version or digest; undefined when there is none. */
export async function findAdapter(
  db: Kysely<Schema>,
  base_digest: string,
  name: string,
): Promise<AdapterRow | undefined> {
  const row = await db
    .selectFrom('adapters')
    .selectAll()
    .where((eb) =>
      eb.or([
        eb('id', '=', name),
        eb('base_digest', '=', base_digest).and(eb.or([eb('version', '=', name), eb('digest', '=', name)])),
      ]),
    )
    .executeTakeFirst();
  return row && parsed(row);
}

/** All adapters of a base model, in the order of their versions. */
export async function adaptersOf(db: Kysely<Schema>, base_digest: string): Promise<AdapterRow[]> {
  const rows = await db
    .selectFrom('adapters')
    .selectAll()
    .where('base_digest', '=', base_digest)
    .orderBy('seq')
    .execute();
  return rows.map(parsed);
}

/** Of every base model, newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listAdapters(db: Kysely<Schema>, page: PageRequest): Promise<Page<AdapterRow>> {
  const read = ({ before, limit }: Stretch) =>
    db.selectFrom('adapters').selectAll().where('seq', '<', before).orderBy('seq', 'desc').limit(limit).execute();
  return newestFirst(page, read, parsed);
}
