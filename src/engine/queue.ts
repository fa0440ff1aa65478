/** The rows that wait for a child: bounded, in order of arrival, none past its deadline. */
import { overdue, Problem } from '../errors.js';
import { type BatchLimits, MAX_PADDING, nextBatch } from './batcher.js';
import type { Entry, Request } from './request.js';

export interface QueueLimits {
  readonly queuePairs: number;
  /** Padded tokens: those of the rows, and the most that batching adds to them. */
  readonly queueTokens: number;
  /** How long work may be expected to wait. */
  readonly longestWaitMs: number;
}

/** Work that is on its way to the queue, by an estimate. */
export interface Work {
  readonly pairs: number;
  readonly tokens: number;
  /** In the clock of performance.now(). */
  readonly deadline: number;
}

/** How fast the queue moves. */
export interface Pace {
  readonly tokensPerSecond: number;
  /** Tokens that the children have. */
  readonly running: number;
  readonly now: number;
}

/** The work is expected to take so many times what the rate says. */
const CAUTION = 1.5;

export class Queue {
  readonly #limits: QueueLimits;
  #entries: Entry[] = [];
  #tokens = 0;
  readonly #reserved = { pairs: 0, tokens: 0 };

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

  /**
   * Keeps room for work until it is ended, which is to be before its rows are pushed. Throws Problem 'queue-full' when there
   * is none, when the work could not be done by its deadline, or when it would wait longer than anything may. What finds
   * nothing before it is let in: an estimate may be wrong, and only work tells how fast the children are.
   */
  reserve(work: Work, pace: Pace): () => void {
    this.#refuseWithoutRoom(work, pace);
    if (!this.#empty()) this.#refuseTooLate(work, pace);
    let kept = true;
    this.#reserve(work, 1);
    return () => {
      if (kept) this.#reserve(work, -1);
      kept = false;
    };
  }

  /** Throws Problem 'queue-full' when the request does not fit any more; where nothing waits, any does. */
  push({ entries }: Request, pace: Pace): void {
    this.#refuseWithoutRoom({ pairs: entries.length, tokens: workOf(entries) }, pace);
    this.#replace([...this.#entries, ...entries]);
  }

  /** Back to the front of the line, the oldest first. */
  restore(entries: readonly Entry[]): void {
    this.#replace([...entries.toSorted((a, b) => a.since - b.since), ...this.#entries]);
  }

  /** The next batch, taken out; empty when it is better to wait. Requests past their deadline are told, not judged. */
  take(limits: BatchLimits, now: number): Entry[] {
    this.#dropOverdue(now);
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

  #dropOverdue(now: number): void {
    const late = new Set(this.#entries.map(({ request }) => request).filter(({ deadline }) => deadline <= now));
    for (const request of late) request.fail(overdue());
    if (late.size > 0) this.#replace(this.#entries.filter(({ request }) => !late.has(request)));
  }

  /** Nothing waits or is about to: what is larger than the whole queue would never be let in otherwise. */
  #empty(): boolean {
    return this.#entries.length + this.#reserved.pairs === 0;
  }

  #refuseWithoutRoom({ pairs, tokens }: Omit<Work, 'deadline'>, { tokensPerSecond }: Pace): void {
    if (this.#empty()) return;
    const { queuePairs, queueTokens } = this.#limits;
    const waiting = { pairs: this.#entries.length + this.#reserved.pairs, tokens: this.#ahead() };
    const morePairs = waiting.pairs + pairs - queuePairs;
    const moreTokens = waiting.tokens + tokens - queueTokens / MAX_PADDING;
    if (morePairs <= 0 && moreTokens <= 0) return;
    const tokensPerPair = waiting.tokens / Math.max(1, waiting.pairs);
    const excess = Math.min(waiting.tokens, Math.max(moreTokens, morePairs * tokensPerPair));
    const detail = `at most ${queuePairs} pairs and ${queueTokens} padded tokens may wait`;
    throw new Problem('queue-full', detail, { retryAfter: seconds((1000 * excess) / tokensPerSecond) });
  }

  #refuseTooLate({ tokens, deadline }: Work, { tokensPerSecond, running, now }: Pace): void {
    const waitMs = (1000 * CAUTION * (this.#ahead() + running)) / tokensPerSecond;
    const workMs = (1000 * CAUTION * tokens) / tokensPerSecond;
    const lateMs = Math.max(waitMs - this.#limits.longestWaitMs, now + waitMs + workMs - deadline);
    if (lateMs <= 0) return;
    throw new Problem('queue-full', 'what waits already cannot be done in time for this', {
      retryAfter: seconds(Math.min(waitMs, lateMs)),
    });
  }

  /** Tokens that wait, or are about to. */
  #ahead(): number {
    return this.#tokens + this.#reserved.tokens;
  }

  #reserve({ pairs, tokens }: Work, sign: 1 | -1): void {
    this.#reserved.pairs += sign * pairs;
    this.#reserved.tokens += sign * tokens;
  }

  #replace(entries: Entry[]): void {
    this.#entries = entries;
    this.#tokens = workOf(entries);
  }
}

/** For Retry-After: whole seconds, at least one, also where no child has measured itself yet. */
const seconds = (ms: number): number => (Number.isFinite(ms) ? Math.max(1, Math.ceil(ms / 1000)) : 1);

/** Tokens to be run: a row that several adapters judge counts for each. */
const workOf = (entries: readonly Entry[]): number =>
  entries.reduce((sum, { length, adapters }) => sum + length * adapters.length, 0);

export const tokensOf = (rows: readonly { length: number }[]): number =>
  rows.reduce((sum, { length }) => sum + length, 0);

export const paddedTokens = (rows: readonly { length: number }[]): number =>
  rows.length * Math.max(...rows.map(({ length }) => length));
