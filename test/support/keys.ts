/** A database with a key of each role, and what stands before a service that uses it. */
import { randomBytes } from 'node:crypto';
import { type Access, createAccess } from '../../src/access.js';
import type { Database } from '../../src/db/database.js';
import { createKeys, type Keys } from '../../src/keys.js';
import { type Role, ROLES } from '../../src/roles.js';

export interface KeySetup {
  readonly keys: Keys;
  readonly access: Access;
  readonly ids: Readonly<Record<Role, string>>;
  /** Headers with a key of that role. */
  readonly as: (role: Role) => { readonly authorization: string };
  /** Milliseconds since 1970, moved by the test. */
  readonly clock: { now: number };
}

export const bearer = (key: string): { authorization: string } => ({ authorization: `Bearer ${key}` });

export async function keysOf(database: Database, host = '127.0.0.1'): Promise<KeySetup> {
  const clock = { now: Date.UTC(2026, 0, 2) };
  const now = (): number => clock.now;
  const keys = createKeys({ database, now, random: randomBytes });
  const made = await Promise.all(ROLES.map((role) => keys.create({ role, name: null })));
  const told = Object.fromEntries(made.map(({ role, key }) => [role, key])) as Record<Role, string>;
  const ids = Object.fromEntries(made.map(({ role, id }) => [role, id])) as Record<Role, string>;
  return { keys, access: createAccess({ database, host, now }), ids, as: (role) => bearer(told[role]), clock };
}
