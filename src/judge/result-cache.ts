/** What rows were answered lately: a pair that is asked again, of the same adapter, is not run again. */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** What the engine and the text said of a pair. */
export interface Known {
  /** [labels], finite. */
  readonly logits: Float32Array;
  readonly truncated: boolean;
}

export interface CachedPair {
  readonly premise: string;
  readonly nli_hypothesis: string;
}

export interface ResultCacheStatus {
  /** Pairs asked for since the start that were known. */
  readonly hits: number;
  readonly misses: number;
  readonly entries: number;
}

export interface ResultCache {
  /** `adapter`: its digest; null: the base model. */
  get(adapter: string | null, pair: CachedPair): Known | undefined;
  set(adapter: string | null, pair: CachedPair, known: Known): void;
  /** Forgets everything. */
  clear(): void;
  status(): ResultCacheStatus;
}

/**
 * Holds the `most` pairs that were asked for last; 0: none, and counts nothing. It lives as long as one model in one
 * precision is served, and an adapter's digest names its bytes, so what it holds is never out of date.
 */
export function createResultCache(most: number): ResultCache {
  return most === 0 ? NOTHING : new HashedPairs(most);
}

const NOTHING: ResultCache = {
  get: () => undefined,
  set: () => undefined,
  clear: () => undefined,
  status: () => ({ hits: 0, misses: 0, entries: 0 }),
};

class HashedPairs implements ResultCache {
  readonly #known: LRUCache<string, Known>;
  readonly #asked = { hits: 0, misses: 0 };

  constructor(most: number) {
    this.#known = new LRUCache({ max: most });
  }

  get(adapter: string | null, pair: CachedPair): Known | undefined {
    const known = this.#known.get(keyOf(adapter, pair));
    this.#asked[known === undefined ? 'misses' : 'hits'] += 1;
    return known;
  }

  set(adapter: string | null, pair: CachedPair, known: Known): void {
    this.#known.set(keyOf(adapter, pair), known);
  }

  clear(): void {
    this.#known.clear();
  }

  status(): ResultCacheStatus {
    return { ...this.#asked, entries: this.#known.size };
  }
}

/** A digest: no text is kept in memory, and a long premise takes no more room than a short one. */
function keyOf(adapter: string | null, { premise, nli_hypothesis }: CachedPair): string {
  const named = `${adapter ?? ''}\n${premise.length}\n${premise}${nli_hypothesis}`;
  return createHash('sha256').update(named).digest('base64');
}
