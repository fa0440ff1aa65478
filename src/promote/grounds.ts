/** What lets an adapter be promoted: a comparison that recommends it, or force and a reason. */
import type { AdapterRow } from '../db/adapters.js';
import { Problem } from '../errors.js';

/** What a shadow comparison of two adapters found. */
export interface ComparisonVerdict {
  readonly id: string;
  readonly verdict: string;
}

export interface GroundsParts {
  /** The newest comparison of these two that succeeded; `oldId` null: the base model. */
  readonly latestComparison: (newId: string, oldId: string | null) => Promise<ComparisonVerdict | null>;
}

export interface Force {
  /** Without a comparison that recommends it; needs a reason. */
  readonly force?: boolean;
  readonly reason?: string | null;
}

/** As the move of the alias keeps them. */
export interface Grounds {
  readonly comparison_id: string | null;
  readonly forced: boolean;
}

/** For `adapter` in place of `active`, null: the base model. Rejects with Problem 'conflict' that says what is missing. */
export async function groundsFor(
  parts: GroundsParts,
  adapter: AdapterRow,
  active: AdapterRow | null,
  { force = false, reason = null }: Force,
): Promise<Grounds> {
  const comparison = await parts.latestComparison(adapter.id, active?.id ?? null);
  if (comparison?.verdict === 'recommend') return { comparison_id: comparison.id, forced: false };
  if (force && (reason ?? '').trim() !== '') return { comparison_id: comparison?.id ?? null, forced: true };
  const found = foundBy(comparison, active?.version ?? 'the base model');
  const way = force ? 'a promotion by force needs a reason' : 'compare them, or give force and a reason';
  throw new Problem('conflict', `adapter ${adapter.version} ${found}, which is active: ${way}`);
}

const foundBy = (comparison: ComparisonVerdict | null, active: string): string =>
  comparison === null ? `was not compared with ${active}` : `has the verdict ${comparison.verdict} against ${active}`;
