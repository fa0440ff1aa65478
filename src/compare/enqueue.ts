/** How a comparison comes into the queue: two adapters by name, and who asks. */
import { type ComparisonSummary, getComparison } from '../db/comparisons.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { Fence } from '../db/training-run-acts.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { columnsOf, type ComparisonItem, itemOf, QUEUED } from './item.js';
import { type ComparisonParts, timeOf } from './parts.js';

export interface StartRequest {
  /** `base`, `active`, a version or an id. */
  readonly old: string;
  readonly new: string;
  /** The attempt of the training run that asks: refused when there is a later one. */
  readonly fence?: Fence;
  /** Who asks; the service itself by default. */
  readonly by?: Actor;
}

const MOST_WAITING = 100;

/**
 * The one that is on disk then: of a training run there is one, whichever attempt asked first. Rejects with Problem
 * 'unprocessable' for an adapter that is not there, 'queue-full' when too many wait, 'stale-precondition' for a late attempt.
 */
export async function enqueue(parts: ComparisonParts, request: StartRequest): Promise<ComparisonItem> {
  const compared = {
    old: await resolved(parts, request.old, '/against'),
    new: await resolved(parts, request.new, '/adapter'),
  };
  const id = parts.newId();
  const { fence, by = SERVICE } = request;
  const run_id = fence?.id ?? null;
  const comparison = { id, base_digest: parts.base.digest, ...columnsOf(compared), run_id, created_at: timeOf(parts) };
  const opened = await parts.database.run('insertComparison', { comparison, most_waiting: MOST_WAITING, by, fence });
  failpoint('comparison.opened');
  if (opened === id) return itemOf({ ...comparison, ...QUEUED });
  return itemOf((await getComparison(parts.database.kysely, opened)) as ComparisonSummary);
}

async function resolved({ adapters }: ComparisonParts, name: string, pointer: string): Promise<AdapterRef | null> {
  const adapter = name === 'base' ? null : await adapters.resolve(name);
  if (adapter !== undefined) return adapter;
  const detail = 'names no adapter of this service: give "active", "base", a version or an id';
  throw new Problem('unprocessable', `${pointer} ${detail}`, { errors: [{ pointer, detail }] });
}
