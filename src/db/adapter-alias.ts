/** The alias `active`: a history that only grows, whose newest row says which adapter answers. */
import type { Insertable, Kysely, Selectable } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit } from './audit.js';
import { followAlias } from './live-shadows.js';
import { enqueueEvent } from './outbox.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { AdapterAliasTable, Schema } from './schema.js';

export type AliasRow = Selectable<AdapterAliasTable>;

export interface AliasMove extends Omit<Insertable<AdapterAliasTable>, 'seq'> {
  /** The row that the caller took for the newest; 0: none. */
  readonly expected_seq: number;
  /** Of the actor; the service's own by default. */
  readonly role?: Actor['role'];
}

/** A move with the adapter it led to, and when the next one ended it. */
export interface AliasEntry extends AliasRow {
  readonly version: string | null;
  readonly digest: string | null;
  readonly until: string | null;
}

/** A unit of work: appends, unless somebody else did since. Throws Problem 'stale-precondition' then. */
export async function moveAlias(db: Kysely<Schema>, input: AliasMove): Promise<AliasRow> {
  const { expected_seq, role = SERVICE.role, ...move } = input;
  const newest = await newestMove(db);
  if ((newest?.seq ?? 0) !== expected_seq)
    throw new Problem('stale-precondition', 'another adapter became active meanwhile');
  const row = await db.insertInto('adapter_alias').values(move).returningAll().executeTakeFirstOrThrow();
  failpoint('alias.row.written');
  const { act, actor, at, adapter_id, comparison_id, forced } = row;
  const detail = { move: row.seq, comparison_id, forced: forced === 1 };
  const subject = { subject_type: 'adapter', subject_id: adapter_id } as const;
  await appendAudit(db, { actor, role, at, act: `adapter.${act}`, ...subject, detail });
  failpoint('alias.audited');
  await followAlias(db, at);
  await tell(db, row, newest?.adapter_id ?? null);
  failpoint('alias.told');
  return row;
}

const TOLD = { promote: 'adapter.promoted', rollback: 'adapter.rolled_back', fallback: null } as const;

async function tell(db: Kysely<Schema>, row: AliasRow, previous_adapter_id: string | null): Promise<void> {
  const { act, adapter_id, comparison_id, forced, actor, at } = row;
  const type = TOLD[act];
  const data = { adapter_id, previous_adapter_id, comparison_id, forced: forced === 1, actor };
  if (type !== null) await enqueueEvent(db, { type, data, at });
}

/** The move that is in force; undefined: there never was one, the base model answers. */
export async function newestMove(db: Kysely<Schema>): Promise<AliasRow | undefined> {
  return await db.selectFrom('adapter_alias').selectAll().orderBy('seq', 'desc').limit(1).executeTakeFirst();
}

/** Every move, oldest first. */
export async function allMoves(db: Kysely<Schema>): Promise<AliasRow[]> {
  return await db.selectFrom('adapter_alias').selectAll().orderBy('seq').execute();
}

/** Moves, newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listMoves(db: Kysely<Schema>, page: PageRequest): Promise<Page<AliasEntry>> {
  const read = ({ before, limit }: Stretch) =>
    selectMoves(db).where('move.seq', '<', before).orderBy('move.seq', 'desc').limit(limit).execute();
  return newestFirst(page, read, (move) => move);
}

const selectMoves = (db: Kysely<Schema>) =>
  db
    .selectFrom('adapter_alias as move')
    .leftJoin('adapters', 'adapters.id', 'move.adapter_id')
    .selectAll('move')
    .select(['adapters.version', 'adapters.digest'])
    .select((eb) =>
      eb
        .selectFrom('adapter_alias as later')
        .select('later.at')
        .whereRef('later.seq', '>', 'move.seq')
        .orderBy('later.seq')
        .limit(1)
        .as('until'),
    );

/**
 * What was active before `moves` led to where they are: a promotion puts an adapter on top, a rollback takes the top
 * off, so that rolling back twice goes two back and never forth. undefined: nothing was before.
 */
export function previousActive(moves: readonly Pick<AliasRow, 'adapter_id' | 'act'>[]): string | null | undefined {
  const stack: (string | null)[] = [null];
  for (const { act, adapter_id } of moves) {
    if (act === 'rollback') stack.pop();
    else stack.push(adapter_id);
  }
  return stack.at(-2);
}
