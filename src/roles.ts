/** Who may do what, and who did it. */

/** What an API key is for; each key has one. */
export const ROLES = ['upstream', 'reviewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Who asks. `open`: there is no API key in the whole service, so everybody may do everything. */
export interface Principal {
  readonly key_id: string | null;
  readonly role: Role | 'open';
}

export const OPEN: Principal = Object.freeze({ key_id: null, role: 'open' });

/** The roles that a route takes; `open`: everybody, without a key. */
export type RouteRoles = readonly Role[] | 'open';

/** Who did something, as the audit log names it: a key's id, or one of the names below. */
export interface Actor {
  readonly actor: string;
  readonly role: Principal['role'] | 'service' | 'command-line';
}

/** What the service does by itself. */
export const SERVICE: Actor = Object.freeze({ actor: 'service', role: 'service' });

/** Whoever may write the database's file. */
export const COMMAND_LINE: Actor = Object.freeze({ actor: 'command-line', role: 'command-line' });

/** Who sends corrections: the key is their reviewer, `by` goes into the audit log. */
export interface Sender {
  readonly key_id: string | null;
  readonly by: Actor;
}

export const actorOf = ({ key_id, role }: Principal): Actor => ({ actor: key_id ?? 'anonymous', role });

export const senderOf = (principal: Principal): Sender => ({ key_id: principal.key_id, by: actorOf(principal) });
