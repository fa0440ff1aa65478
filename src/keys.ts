/** The use case behind `errata keys`: keys are made, told once, exchanged and revoked in the database's file. */
import { randomBytes } from 'node:crypto';
import { digestOfKey, newKey, newKeyId, type RandomBytes } from './api-key.js';
import type { Config } from './config.js';
import { allKeys, type ApiKeyRow } from './db/api-keys.js';
import { type Database, openDatabase } from './db/database.js';
import { Problem } from './errors.js';
import { failpoint } from './failpoints.js';
import { COMMAND_LINE, type Role } from './roles.js';

export interface KeyItem extends Pick<ApiKeyRow, 'id' | 'role' | 'name' | 'created_at' | 'rotated_at' | 'revoked_at'> {
  /** Until when the key before the last rotation opens too. */
  readonly previous_until: string | null;
}

/** A key as it is told once: nobody can tell it again. */
export interface ToldKey {
  readonly id: string;
  readonly role: Role;
  readonly key: string;
}

export interface Keys {
  create(request: { readonly role: Role; readonly name: string | null }): Promise<ToldKey>;
  list(): Promise<KeyItem[]>;
  /** Rejects with Problem 'not-found', and 'conflict' for a revoked key. */
  rotate(id: string, keepMinutes: number): Promise<ToldKey>;
  /** Rejects with Problem 'not-found'. */
  revoke(id: string): Promise<void>;
}

export interface KeysParts {
  readonly database: Pick<Database, 'run' | 'kysely'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: RandomBytes;
}

const MINUTE_MS = 60_000;

export function createKeys({ database, now, random }: KeysParts): Keys {
  const iso = (later = 0): string => new Date(now() + later).toISOString();
  return {
    async create({ role, name }) {
      const id = newKeyId(random);
      const key = newKey({ role, id }, random);
      await database.run('insertKey', { id, role, name, sha256: digestOfKey(key), at: iso(), by: COMMAND_LINE });
      failpoint('key.committed');
      return { id, role, key };
    },
    async list() {
      const rows = await allKeys(database.kysely);
      return rows.map(({ sha256: _, previous_sha256: __, ...row }) => row);
    },
    async rotate(id, keepMinutes) {
      const row = (await allKeys(database.kysely)).find((one) => one.id === id);
      if (row === undefined) throw new Problem('not-found', `there is no key with the id ${id}`);
      const key = newKey(row, random);
      const previous_until = keepMinutes === 0 ? null : iso(keepMinutes * MINUTE_MS);
      const act = { id, sha256: digestOfKey(key), previous_until, at: iso(), by: COMMAND_LINE };
      await database.run('rotateKey', act);
      return { id, role: row.role, key };
    },
    revoke: (id) => database.run('revokeKey', { id, at: iso(), by: COMMAND_LINE }),
  };
}

/** Does `work` with the keys of the service's database, without the service; it may run meanwhile. */
export async function withKeys<T>(
  { databaseUrl }: Pick<Config, 'databaseUrl'>,
  work: (keys: Keys) => Promise<T>,
): Promise<T> {
  const database = await openDatabase({ url: databaseUrl });
  try {
    return await work(createKeys({ database, now: Date.now, random: randomBytes }));
  } finally {
    await database.close();
  }
}
