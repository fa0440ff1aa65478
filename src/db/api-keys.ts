/** Rows of API keys: their acts are units of work, and each is written into the audit log. */
import type { Kysely, Selectable } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Actor, Role } from '../roles.js';
import { appendAudit } from './audit.js';
import type { ApiKeysTable, Schema } from './schema.js';

export type ApiKeyRow = Selectable<ApiKeysTable>;

interface KeyAct {
  readonly id: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  readonly by: Actor;
}

export interface InsertKeyInput extends KeyAct {
  readonly role: Role;
  readonly name: string | null;
  readonly sha256: Uint8Array;
}

export interface RotateKeyInput extends KeyAct {
  readonly sha256: Uint8Array;
  /** Until then the key before opens too; null: no longer. */
  readonly previous_until: string | null;
}

/** A unit of work. */
export async function insertKey(db: Kysely<Schema>, input: InsertKeyInput): Promise<void> {
  const { id, role, name, sha256, at } = input;
  await db.insertInto('api_keys').values({ id, role, name, sha256, created_at: at }).execute();
  failpoint('key.row.written');
  await audited(db, 'key.create', input, { role });
}

/** A unit of work: another secret under the same id. Throws Problem 'not-found', and 'conflict' for a revoked key. */
export async function rotateKey(db: Kysely<Schema>, input: RotateKeyInput): Promise<void> {
  const { id, at, sha256, previous_until } = input;
  const row = await existing(db, id);
  if (row.revoked_at !== null) throw new Problem('conflict', `the key ${id} was revoked: create another one`);
  const previous_sha256 = previous_until === null ? null : row.sha256;
  const update = { sha256, previous_sha256, previous_until, rotated_at: at };
  await db.updateTable('api_keys').set(update).where('id', '=', id).execute();
  failpoint('key.rotation.written');
  await audited(db, 'key.rotate', input, { previous_until });
}

/** A unit of work; a second time changes nothing. Throws Problem 'not-found'. */
export async function revokeKey(db: Kysely<Schema>, input: KeyAct): Promise<void> {
  const row = await existing(db, input.id);
  if (row.revoked_at !== null) return;
  await db.updateTable('api_keys').set({ revoked_at: input.at }).where('id', '=', input.id).execute();
  failpoint('key.revocation.written');
  await audited(db, 'key.revoke', input, {});
}

async function existing(db: Kysely<Schema>, id: string): Promise<ApiKeyRow> {
  const row = await db.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new Problem('not-found', `there is no key with the id ${id}`);
  return row;
}

const audited = (
  db: Kysely<Schema>,
  act: `key.${'create' | 'rotate' | 'revoke'}`,
  { id, at, by }: KeyAct,
  detail: Readonly<Record<string, string | null>>,
): Promise<void> => appendAudit(db, { ...by, at, act, subject_type: 'key', subject_id: id, detail });

/** Every key, the revoked ones too, in the order they were made. */
export async function allKeys(db: Kysely<Schema>): Promise<ApiKeyRow[]> {
  return await db.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id').execute();
}
