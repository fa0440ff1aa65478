/** What a batch is made of and what becomes of its rows: answered, or tried once more. */
import { Problem } from '../errors.js';
import type { EngineTotals } from './engine.js';
import type { BatchMessage } from './messages.js';
import { paddedTokens, tokensOf } from './queue.js';
import type { Entry } from './request.js';
import { type Seat, tellRider } from './seats.js';

const MAX_ATTEMPTS = 2;

/** The batch as it is sent. */
export function packed(seats: readonly Seat[]): Omit<BatchMessage, 'kind' | 'id' | 'wide'> {
  const adapters = [...new Set(seats.map(({ adapter }) => adapter))];
  const ids = new Int32Array(tokensOf(seats));
  seats.reduce((offset, { entry, length }) => (ids.set(entry.ids, offset), offset + length), 0);
  const lengths = Int32Array.from(seats, ({ length }) => length);
  return { ids, lengths, adapters, adapterOfRow: Int32Array.from(seats, ({ adapter }) => adapters.indexOf(adapter)) };
}

/** `logits`, [seats · labels]. */
export function settle(seats: readonly Seat[], logits: Float32Array, labels: number): void {
  seats.forEach(({ entry, place }, row) => {
    const own = logits.slice(row * labels, (row + 1) * labels);
    const finite = own.length === labels && own.every(Number.isFinite);
    if (place === null) tellRider(entry, finite ? own : 'failed');
    else entry.request.fill(place, finite ? own : null);
  });
}

export function count(totals: EngineTotals, seats: readonly Seat[]): void {
  totals.batches += 1;
  totals.rows += seats.length;
  totals.tokens += tokensOf(seats);
  totals.paddedTokens += paddedTokens(seats);
  if (seats.some(({ adapter }) => adapter !== seats[0]?.adapter)) totals.mixedBatches += 1;
}

/**
 * The entries of a batch that failed. Each is tried once more, alone (its key from `nextKey`): one of them may be what no
 * child survives. Where there were riders it may have been theirs, so the first try does not count.
 */
export function failedOnce(seats: readonly Seat[], nextKey: () => string): Entry[] {
  const entries = [...new Set(seats.map(({ entry }) => entry))];
  const ridden = seats.some(({ place }) => place === null);
  for (const entry of entries) {
    entry.attempts += ridden ? 0 : 1;
    entry.key = nextKey();
    tellRider(entry, 'failed');
  }
  return entries;
}

export const isGivenUp = ({ attempts }: Entry): boolean => attempts >= MAX_ATTEMPTS;

export const unavailable = (detail: string, cause?: Error): Problem =>
  new Problem('unavailable', detail, { retryAfter: 1, cause });
