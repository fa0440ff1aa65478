/** Which adapter may be the candidate of a live shadow, and whether one that was left on still may. */
import { getAdapter, type RegistryParts } from '../../adapters/registry.js';
import type { LiveShadowRow } from '../db/live-shadows.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { ShadowEnd } from '../db/schema.js';
import { Problem } from '../errors.js';
import type { HeldAdapters } from '../held-adapters.js';

export interface CandidateParts extends Pick<RegistryParts, 'database' | 'base'> {
  readonly held: Pick<HeldAdapters, 'isUsable'>;
}

/**
 * By version, id or digest; it has judged one row. Rejects with Problem 'unprocessable' for an adapter that is not there,
 * 'conflict' for one of another base model or that cannot be used, 'unavailable'.
 */
export async function findCandidate(parts: CandidateParts, name: string): Promise<AdapterRef> {
  const adapter = await getAdapter(parts, name);
  if (adapter === undefined) throw nameless();
  const { id, version, digest, base_digest, base_model } = adapter;
  if (base_digest !== parts.base.digest)
    throw new Problem('conflict', `adapter ${version} belongs to another base model, ${base_model}`);
  if (!(await parts.held.isUsable(digest)))
    throw new Problem('conflict', `adapter ${version} cannot be used: its answers are not finite`);
  return { id, version, digest };
}

function nameless(): Problem {
  const detail = 'names no adapter of this service: give a version or an id';
  return new Problem('unprocessable', `/candidate ${detail}`, { errors: [{ pointer: '/candidate', detail }] });
}

/** Why a live shadow that the database says is on cannot go on here; null: it can. */
export async function unfit(
  parts: Omit<CandidateParts, 'held'>,
  { base_digest, candidate_id }: LiveShadowRow,
): Promise<ShadowEnd | null> {
  if (base_digest !== parts.base.digest) return 'incompatible';
  return (await getAdapter(parts, candidate_id)) === undefined ? 'deleted' : null;
}
