/** The alias `active` of this process: which adapter answers, in memory and on disk as one. */
import { getAdapter, loadAdapter, type RegistryParts } from '../../adapters/registry.js';
import { type AliasMove, newestMove } from '../db/adapter-alias.js';
import type { AdapterRow } from '../db/adapters.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { HeldAdapters } from '../held-adapters.js';
import { SERVICE } from '../roles.js';

export interface AliasParts extends Pick<RegistryParts, 'dataDir' | 'database' | 'base' | 'now'> {
  readonly held: Pick<HeldAdapters, 'use' | 'pin' | 'isUsable'>;
}

/** What answers; the base model where `adapter` is null. */
export interface Live {
  /** Of the alias' newest row; 0: none. */
  readonly seq: number;
  readonly adapter: AdapterRow | null;
}

export interface Move extends Pick<AliasMove, 'act' | 'expected_seq' | 'actor' | 'role'> {
  readonly adapter: AdapterRow | null;
  readonly reason?: string | null | undefined;
  readonly comparison_id?: string | null;
  readonly forced?: boolean;
}

export interface OpenedAlias {
  readonly alias: Alias;
  /** Why the start serves the base model although an adapter was active. */
  readonly fallback: string | null;
}

/**
 * Serves what was active when the process ended; the base model where that adapter cannot be used, and writes that down.
 * Rejects where the engine cannot judge or the database cannot be written.
 */
export async function openAlias(parts: AliasParts): Promise<OpenedAlias> {
  const move = await newestMove(parts.database.kysely);
  const seq = move?.seq ?? 0;
  const adapter = await adapterOf(parts, move?.adapter_id ?? null);
  const alias = new Alias(parts);
  try {
    await alias.serve({ seq, adapter });
    return { alias, fallback: null };
  } catch (error) {
    if (adapter === null || !(error instanceof Problem) || error.code !== 'conflict') throw error;
    return { alias, fallback: await fallBack(alias, seq, error) };
  }
}

async function fallBack(alias: Alias, expected_seq: number, { message }: Problem): Promise<string> {
  const reason = `the start fell back to the base model: ${message}`;
  await alias.move({ act: 'fallback', adapter: null, expected_seq, reason, ...SERVICE });
  return reason;
}

/** The adapter that a row of the alias names; null: the base model. */
export async function adapterOf(parts: AliasParts, id: string | null): Promise<AdapterRow | null> {
  return id === null ? null : ((await getAdapter(parts, id)) ?? null);
}

/** In memory it is behind its rows on disk by no more than the answer of a commit. */
export class Alias {
  readonly #parts: AliasParts;
  #live: Live = { seq: 0, adapter: null };

  constructor(parts: AliasParts) {
    this.#parts = parts;
  }

  get live(): Live {
    return this.#live;
  }

  /**
   * Does `work` while every child has judged, or can judge, with the adapter.
   * Rejects with Problem 'conflict' for one whose files are damaged, that is of another base model or whose answers are
   * not finite.
   */
  async ready<T>(adapter: AdapterRow | null, work: () => Promise<T>): Promise<T> {
    if (adapter === null) return work();
    await loadAdapter(this.#parts, adapter);
    const proven = async (): Promise<T> => {
      await this.#refuseUnusable(adapter);
      return work();
    };
    return this.#parts.held.use(adapter.digest, proven, { always: true });
  }

  async #refuseUnusable({ digest, version }: AdapterRow): Promise<void> {
    if (!(await this.#parts.held.isUsable(digest)))
      throw new Problem('conflict', `adapter ${version} cannot be used: its answers are not finite`);
  }

  /** From here on `live` answers, unless a later move does already. Rejects as `ready`. */
  serve(live: Live): Promise<void> {
    return this.ready(live.adapter, async () => this.#switch(live));
  }

  /**
   * Moves the alias on disk, then in memory. The engine must be ready for the adapter.
   * Rejects with Problem 'stale-precondition' when the newest row is not `expected_seq`.
   */
  async move({ adapter, ...move }: Move): Promise<void> {
    const row = rowOf(adapter, move, new Date(this.#parts.now()).toISOString());
    try {
      failpoint('promotion.ready');
      const { seq } = await this.#parts.database.run('moveAlias', row);
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
    const newest = await newestMove(this.#parts.database.kysely);
    if (newest === undefined || newest.seq <= this.#live.seq) return;
    await this.serve({ seq: newest.seq, adapter: await adapterOf(this.#parts, newest.adapter_id) });
  }

  #switch(live: Live): void {
    if (live.seq < this.#live.seq) return;
    this.#live = live;
    this.#parts.held.pin(live.adapter?.digest ?? null);
  }
}

function rowOf(adapter: AdapterRow | null, move: Omit<Move, 'adapter'>, at: string): AliasMove {
  const { reason = null, comparison_id = null, forced = false, ...rest } = move;
  return { ...rest, adapter_id: adapter?.id ?? null, reason, comparison_id, forced: forced ? 1 : 0, at };
}
