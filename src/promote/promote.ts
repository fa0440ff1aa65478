/** The use case behind promote and rollback: a move of the alias `active` is refused, or done as a whole. */
import { getAdapter } from '../../adapters/registry.js';
import { allMoves, previousActive } from '../db/adapter-alias.js';
import type { AdapterRow } from '../db/adapters.js';
import { Problem } from '../errors.js';
import { entityTag, ifMatches } from '../etag.js';
import { type Actor, SERVICE } from '../roles.js';
import { adapterOf, type Alias, type AliasParts, type Live, type Move, openAlias } from './alias.js';
import { type Force, groundsFor, type GroundsParts } from './grounds.js';

export interface PromotionParts extends AliasParts, GroundsParts {}

export interface MoveRequest {
  readonly actor: string;
  /** Of the actor; the service's own by default. */
  readonly role?: Actor['role'];
  readonly reason?: string | null;
  /** The If-Match header. */
  readonly ifMatch?: string | undefined;
}

export interface PromoteRequest extends MoveRequest, Force {}

export interface Promotion {
  /** What answers now; null: the base model. */
  active(): AdapterRow | null;
  /** The quoted digest of what answers now. */
  etag(): string;
  /** Why the start serves the base model although an adapter was active. */
  readonly fallback: string | null;
  /**
   * Makes the adapter of that id, version or digest the active one: first the engine holds it, then the alias moves on
   * disk, then requests admitted from there on are judged by it. Again for the active one changes nothing.
   * Rejects with Problem 'not-found', 'stale-precondition' for If-Match, 'conflict' that says why it may not be.
   */
  promote(name: string, request: PromoteRequest): Promise<AdapterRow>;
  /** Back to what was active before, one further back each time; null: the base model. Rejects as `promote` does. */
  rollback(request: MoveRequest): Promise<AdapterRow | null>;
}

/** Opens the alias; rejects as `openAlias`. */
export async function openPromotion(parts: PromotionParts): Promise<Promotion> {
  const { alias, fallback } = await openAlias(parts);
  return {
    fallback,
    active: () => alias.live.adapter,
    etag: () => entityTag(alias.live.adapter?.digest ?? null),
    promote: (name, request) => promote(parts, alias, name, request),
    rollback: (request) => rollback(parts, alias, request),
  };
}

async function promote(
  parts: PromotionParts,
  alias: Alias,
  name: string,
  request: PromoteRequest,
): Promise<AdapterRow> {
  const { live } = alias;
  refuseStale(live, request);
  const adapter = await getAdapter(parts, name);
  if (adapter === undefined) throw new Problem('not-found', 'there is no adapter of this id, version or digest');
  if (adapter.id === live.adapter?.id) return adapter;
  const grounds = await groundsFor(parts, adapter, live.adapter, request);
  await moveFrom(alias, live, request, { ...grounds, act: 'promote', adapter });
  return adapter;
}

async function rollback(parts: PromotionParts, alias: Alias, request: MoveRequest): Promise<AdapterRow | null> {
  const { live } = alias;
  refuseStale(live, request);
  const id = previousActive(await allMoves(parts.database.kysely));
  if (id === undefined) throw new Problem('conflict', 'nothing was active before: there is nothing to go back to');
  const adapter = await adapterOf(parts, id);
  await moveFrom(alias, live, request, { act: 'rollback', adapter });
  return adapter;
}

function refuseStale({ adapter }: Live, { ifMatch }: MoveRequest): void {
  const digest = adapter?.digest ?? null;
  if (ifMatch === undefined || ifMatches(ifMatch, digest)) return;
  throw new Problem('stale-precondition', `If-Match does not name what is active now, ${entityTag(digest)}`);
}

type AskedMove = Pick<Move, 'act' | 'adapter' | 'comparison_id' | 'forced'>;

/** Moves from `live`, which was active when the request was admitted, or not at all. */
async function moveFrom(alias: Alias, { seq }: Live, request: MoveRequest, asked: AskedMove): Promise<void> {
  const { actor, role = SERVICE.role, reason, ifMatch } = request;
  const move = { ...asked, actor, role, reason, expected_seq: seq };
  await alias.ready(asked.adapter, () => alias.move(move).catch((error: unknown) => refuseRace(error, ifMatch)));
}

/** Who gave no If-Match set no precondition: to them a move that another overtook is a conflict. */
function refuseRace(error: unknown, ifMatch: string | undefined): never {
  const stale = error instanceof Problem && error.code === 'stale-precondition';
  throw stale && ifMatch === undefined ? new Problem('conflict', error.message, { cause: error }) : error;
}
