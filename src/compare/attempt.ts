/** The comparison whose turn it is, from the queue to its end. */
import type { ComparisonSummary } from '../db/comparisons.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { comparedOf, type End, failed, succeeded } from './item.js';
import { type ComparisonParts, timeOf } from './parts.js';
import { compareAdapters } from './report.js';

const MOST_ATTEMPTS = 3;

/** Judges what is next, to its end. False when none waits. Rejects when the database cannot be read or written. */
export async function compareNext(parts: ComparisonParts, signal: AbortSignal): Promise<boolean> {
  try {
    const next = await parts.database.run('beginComparison', { at: timeOf(parts), most_attempts: MOST_ATTEMPTS });
    if (next === null) return false;
    failpoint('comparison.claimed');
    const end = await endOf(parts, next, signal);
    failpoint('comparison.judged');
    if (end !== null) await parts.database.run('endComparison', { ...end, id: next.id, ended_at: timeOf(parts) });
    failpoint('comparison.ended');
    return true;
  } catch (error) {
    parts.failed?.(error, null);
    throw error;
  }
}

/** Null when the service ends before: the row says that it runs, and the next start begins it again. */
async function endOf(parts: ComparisonParts, row: ComparisonSummary, signal: AbortSignal): Promise<End | null> {
  try {
    if (row.base_digest !== parts.base.digest)
      throw new Problem('conflict', 'it was asked for under another base model');
    return succeeded(await compareAdapters(parts, comparedOf(row), signal));
  } catch (error) {
    if (signal.aborted) return null;
    parts.failed?.(error, row.id);
    return failed(error);
  }
}
