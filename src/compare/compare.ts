/** The use case behind shadow comparisons: two adapters judge the held-out reviews, and a gate says what comes of it. */
import { getComparison, listComparisons, newestComparison } from '../db/comparisons.js';
import type { Page, PageRequest } from '../db/newest-first.js';
import { Problem } from '../errors.js';
import { compareNext } from './attempt.js';
import { enqueue, type StartRequest } from './enqueue.js';
import { type Comparison, type ComparisonItem, comparisonOf, itemOf } from './item.js';
import { Line } from './line.js';
import type { ComparisonParts } from './parts.js';

export interface Comparisons {
  /**
   * Resolves when the comparison is on disk; it is judged in the background, one at a time, in the order of asking. Rejects
   * with Problem 'unprocessable' for an adapter that is not there, 'queue-full' when too many wait.
   */
  start(request: StartRequest): Promise<ComparisonItem>;
  /** Resolves when it succeeded or failed. Rejects with Problem 'not-found', or 'unavailable' when the service ends before. */
  wait(id: string): Promise<Comparison>;
  /** Rejects with Problem 'not-found'. */
  get(id: string): Promise<Comparison>;
  /** Newest first. Rejects with Problem 'invalid-request' for a cursor of another list. */
  list(page: PageRequest): Promise<Page<ComparisonItem>>;
  /** The newest that succeeded with these two; null is the base model. */
  latest(newId: string | null, oldId: string | null): Promise<ComparisonItem | null>;
  /** Stops what is judged; the next start of the service begins it again. */
  close(): Promise<void>;
}

/** Begins with what the end of the process before cut short. */
export function createComparisons(parts: ComparisonParts): Comparisons {
  const { kysely } = parts.database;
  const line = new Line((signal) => compareNext(parts, signal));
  line.wake();
  const get = async (id: string): Promise<Comparison> => {
    const row = await getComparison(kysely, id);
    if (row === undefined) throw new Problem('not-found', 'there is no shadow comparison of this id');
    return comparisonOf(row);
  };
  return {
    get,
    wait(id) {
      // What another process began and left may be waited for: it is done here then.
      line.wake();
      return line.until(async () => ended(await get(id)));
    },
    async start(request) {
      const item = await enqueue(parts, request);
      line.wake();
      return item;
    },
    async list(page) {
      const { items, next_cursor } = await listComparisons(kysely, page);
      return { items: items.map(itemOf), next_cursor };
    },
    async latest(newId, oldId) {
      const row = await newestComparison(kysely, newId, oldId);
      return row === undefined ? null : itemOf(row);
    },
    close: () => line.close(),
  };
}

const ended = (comparison: Comparison): Comparison | undefined =>
  comparison.state === 'succeeded' || comparison.state === 'failed' ? comparison : undefined;
