/** The use case behind promote and rollback: which adapter is `active`, in memory and on disk as one. */
import { type AdapterRow, findAdapter } from './db/adapters.js';
import { allMoves, type AliasMove, newestMove, previousActive } from './db/adapter-alias.js';
import { getAdapter, loadAdapter, type RegistryParts } from '../adapters/registry.js';
import { Problem } from './errors.js';
import { entityTag, ifMatches } from './etag.js';
import { failpoint } from './failpoints.js';
import type { HeldAdapters } from './held-adapters.js';
import { type Actor, SERVICE } from './roles.js';

/** What a shadow comparison of two adapters found. */
export interface ComparisonVerdict {
  readonly id: string;
  readonly verdict: string;
}

export interface PromotionParts extends Pick<RegistryParts, 'dataDir' | 'database' | 'base' | 'now'> {
  readonly held: Pick<HeldAdapters, 'use' | 'pin' | 'isUsable'>;
  /** The newest comparison of these two that succeeded; `oldId` null: the base model. */
  readonly latestComparison: (newId: string, oldId: string | null) => Promise<ComparisonVerdict | null>;
}

export interface MoveRequest {
  readonly actor: string;
  /** Of the actor; the service's own by default. */
  readonly role?: Actor['role'];
  readonly reason?: string | null;
  /** The If-Match header. */
  readonly ifMatch?: string | undefined;
}

export interface PromoteRequest extends MoveRequest {
  /** Without a comparison that recommends it; needs a reason. */
  readonly force?: boolean;
}

export interface Promotion {
  /** What answers now; null: the base model. */
  active(): AdapterRow | null;
  /** The quoted digest of what answers now. */
  etag(): string;
  /**
   * Makes the adapter of that id, version or digest the active one: first the engine holds it, then the alias moves on
   * disk, then requests admitted from there on are judged by it. Again for the active one changes nothing.
   * Rejects with Problem 'not-found', 'stale-precondition' for If-Match, 'conflict' that says why it may not be.
   */
  promote(name: string, request: PromoteRequest): Promise<AdapterRow>;
  /** Back to what was active before, one further back each time; null: the base model. Rejects as `promote` does. */
  rollback(request: MoveRequest): Promise<AdapterRow | null>;
}

interface Live {
  /** Of the alias' newest row; 0: none. */
  readonly seq: number;
  readonly adapter: AdapterRow | null;
}

export interface OpenedPromotion extends Promotion {
  /** Why the start serves the base model although an adapter was active. */
  readonly fallback: string | null;
}

/** Serves what was active when the process ended; the base model where that cannot be, and writes that down. */
export async function openPromotion(parts: PromotionParts): Promise<OpenedPromotion> {
  const move = await newestMove(parts.database.kysely);
  const seq = move?.seq ?? 0;
  const row = await rowOf(parts, move?.adapter_id ?? null);
  const alias = new Alias(parts);
  try {
    await alias.serve({ seq, adapter: row });
    return expose(alias, null);
  } catch (error) {
    if (row === null || !(error instanceof Problem) || error.code !== 'conflict') throw error;
    const reason = `the start fell back to the base model: ${error.message}`;
    await alias.move({ act: 'fallback', adapter: null, expected_seq: seq, reason, ...SERVICE });
    return expose(alias, reason);
  }
}

const expose = (alias: Alias, fallback: string | null): OpenedPromotion => ({
  fallback,
  active: () => alias.live.adapter,
  etag: () => entityTag(alias.live.adapter?.digest ?? null),
  promote: (name, request) => promote(alias, name, request),
  rollback: (request) => rollback(alias, request),
});

async function rowOf({ database, base }: PromotionParts, id: string | null): Promise<AdapterRow | null> {
  return id === null ? null : ((await findAdapter(database.kysely, base.digest, id)) ?? null);
}

interface Move extends Pick<AliasMove, 'act' | 'expected_seq' | 'actor' | 'role'> {
  readonly adapter: AdapterRow | null;
  readonly reason?: string | null | undefined;
  readonly comparison_id?: string | null;
  readonly forced?: boolean;
}

/** The alias in memory, behind its rows on disk by no more than the answer of a commit. */
class Alias {
  readonly parts: PromotionParts;
  live: Live = { seq: 0, adapter: null };

  constructor(parts: PromotionParts) {
    this.parts = parts;
  }

  /** Does `work` while every child has judged, or can judge, with the adapter. */
  async ready<T>(adapter: AdapterRow | null, work: () => Promise<T>): Promise<T> {
    if (adapter === null) return work();
    await loadAdapter(this.parts, adapter);
    return this.parts.held.use(
      adapter.digest,
      async () => {
        if (!(await this.parts.held.isUsable(adapter.digest)))
          throw new Problem('conflict', `adapter ${adapter.version} cannot be used: its answers are not finite`);
        return work();
      },
      { always: true },
    );
  }

  /** From here on `live` answers, unless a later move does already. */
  serve(live: Live): Promise<void> {
    return this.ready(live.adapter, async () => this.#switch(live));
  }

  /** Moves the alias on disk, then in memory. The engine must be ready for the adapter. */
  async move({ adapter, reason = null, comparison_id = null, forced = false, ...move }: Move): Promise<void> {
    const at = new Date(this.parts.now()).toISOString();
    const row = {
      ...move,
      adapter_id: adapter?.id ?? null,
      reason,
      comparison_id,
      forced: forced ? 1 : 0,
      at,
    } as const;
    try {
      failpoint('promotion.ready');
      const { seq } = await this.parts.database.run('moveAlias', row);
      failpoint('promotion.committed');
      this.#switch({ seq, adapter });
      failpoint('promotion.switched');
    } catch (error) {
      await this.#catchUp().catch(() => undefined);
      throw error;
    }
  }

  /** What became of a commit whose answer was lost is only known from the rows. */
  async #catchUp(): Promise<void> {
    const newest = await newestMove(this.parts.database.kysely);
    if (newest === undefined || newest.seq <= this.live.seq) return;
    await this.serve({ seq: newest.seq, adapter: await rowOf(this.parts, newest.adapter_id) });
  }

  #switch(live: Live): void {
    if (live.seq < this.live.seq) return;
    this.live = live;
    this.parts.held.pin(live.adapter?.digest ?? null);
  }
}

async function promote(alias: Alias, name: string, request: PromoteRequest): Promise<AdapterRow> {
  const { live, parts } = alias;
  refuseStale(live, request);
  const adapter = await getAdapter(parts, name);
  if (adapter === undefined) throw new Problem('not-found', 'there is no adapter of this id, version or digest');
  if (adapter.id === live.adapter?.id) return adapter;
  const grounds = await groundsFor(parts, adapter, live, request);
  const move = { ...grounds, act: 'promote', adapter, reason: request.reason, ...whoOf(request) } as const;
  await alias.ready(adapter, () => moved(alias, live, request, move));
  return adapter;
}

async function rollback(alias: Alias, request: MoveRequest): Promise<AdapterRow | null> {
  const { live, parts } = alias;
  refuseStale(live, request);
  const id = previousActive(await allMoves(parts.database.kysely));
  if (id === undefined) throw new Problem('conflict', 'nothing was active before: there is nothing to go back to');
  const adapter = await rowOf(parts, id);
  const move = { act: 'rollback', adapter, reason: request.reason, ...whoOf(request) } as const;
  await alias.ready(adapter, () => moved(alias, live, request, move));
  return adapter;
}

const whoOf = ({ actor, role = SERVICE.role }: MoveRequest): Actor => ({ actor, role });

/** Moves from `live`, which was active when the request was admitted, or not at all. */
async function moved(
  alias: Alias,
  live: Live,
  { ifMatch }: MoveRequest,
  move: Omit<Move, 'expected_seq'>,
): Promise<void> {
  try {
    await alias.move({ ...move, expected_seq: live.seq });
  } catch (error) {
    const stale = error instanceof Problem && error.code === 'stale-precondition';
    throw stale && ifMatch === undefined ? new Problem('conflict', error.message, { cause: error }) : error;
  }
}

function refuseStale({ adapter }: Live, { ifMatch }: MoveRequest): void {
  const digest = adapter?.digest ?? null;
  if (ifMatch === undefined || ifMatches(ifMatch, digest)) return;
  throw new Problem('stale-precondition', `If-Match does not name what is active now, ${entityTag(digest)}`);
}

/** What lets the adapter be promoted: a comparison with what is active that recommends it, or force and a reason. */
async function groundsFor(
  parts: PromotionParts,
  adapter: AdapterRow,
  live: Live,
  { force = false, reason = null }: PromoteRequest,
): Promise<Pick<Move, 'comparison_id' | 'forced'>> {
  const comparison = await parts.latestComparison(adapter.id, live.adapter?.id ?? null);
  if (comparison?.verdict === 'recommend') return { comparison_id: comparison.id, forced: false };
  if (force && (reason ?? '').trim() !== '') return { comparison_id: comparison?.id ?? null, forced: true };
  const active = live.adapter?.version ?? 'the base model';
  const found =
    comparison === null ? `was not compared with ${active}` : `has the verdict ${comparison.verdict} against ${active}`;
  const way = force ? 'a promotion by force needs a reason' : 'compare them, or give force and a reason';
  throw new Problem('conflict', `adapter ${adapter.version} ${found}, which is active: ${way}`);
}
