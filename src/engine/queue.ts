/** The rows that wait for a child: bounded, in order of arrival. */
import { Problem } from '../errors.js';
import { type BatchLimits, nextBatch } from './batcher.js';
import type { Entry, Request } from './request.js';

export interface QueueLimits {
  readonly queuePairs: number;
  readonly queueTokens: number;
}

export class Queue {
  readonly #limits: QueueLimits;
  #entries: Entry[] = [];
  #tokens = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#entries.length;
  }

  get tokens(): number {
    return this.#tokens;
  }

  get oldestSince(): number | undefined {
    return this.#entries[0]?.since;
  }

  /** Throws Problem 'queue-full' when the request does not fit any more; `tokensPerSecond` tells when to come back. */
  push({ entries }: Request, tokensPerSecond: number): void {
    const { queuePairs, queueTokens } = this.#limits;
    const tokens = this.#tokens + workOf(entries);
    if (this.#entries.length + entries.length > queuePairs || tokens > queueTokens) {
      const retryAfter = tokensPerSecond > 0 ? Math.max(1, Math.ceil(this.#tokens / tokensPerSecond)) : 1;
      throw new Problem('queue-full', `at most ${queuePairs} pairs and ${queueTokens} tokens may wait`, { retryAfter });
    }
    this.#replace([...this.#entries, ...entries]);
  }

  /** Back to the front of the line, the oldest first. */
  restore(entries: readonly Entry[]): void {
    this.#replace([...entries.toSorted((a, b) => a.since - b.since), ...this.#entries]);
  }

  /** The next batch, taken out; empty when it is better to wait. */
  take(limits: BatchLimits, now: number): Entry[] {
    const each = this.#entries[0]?.adapters.length ?? 1;
    const batch = nextBatch(this.#entries, { ...limits, tokens: limits.tokens / each, rows: limits.rows / each }, now);
    const taken = new Set(batch);
    if (batch.length > 0) this.#replace(this.#entries.filter((entry) => !taken.has(entry)));
    return batch;
  }

  drop(request: Request): void {
    this.#replace(this.#entries.filter((entry) => entry.request !== request));
  }

  /** Fails every request that waits. */
  fail(reason: Error): void {
    for (const { request } of this.#entries) request.fail(reason);
    this.#replace([]);
  }

  #replace(entries: Entry[]): void {
    this.#entries = entries;
    this.#tokens = workOf(entries);
  }
}

/** Tokens to be run: a row that several adapters judge counts for each. */
const workOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { length, adapters }) => sum + length * adapters.length, 0);

export const tokensOf = (rows: readonly { length: number }[]): number =>
  rows.reduce((sum, { length }) => sum + length, 0);

export const paddedTokens = (rows: readonly { length: number }[]): number =>
  rows.length * Math.max(...rows.map(({ length }) => length));
