/** How what waits is shared among the children: the bounds of a batch, who gets it, and who rides along. */
import type { EngineOptions } from './engine.js';
import { type Queue, paddedTokens } from './queue.js';
import type { Entry } from './request.js';
import { mixOf, ridersFor, type Seat, seatsOf, tellRider } from './seats.js';
import type { Slot } from './slot.js';

const MAX_BATCH_SECONDS = 1;
/** A batch of at most this many tokens may have all cores to itself. */
const WIDE_TOKENS = 512;

export interface Sharing {
  readonly queue: Queue;
  readonly options: EngineOptions;
  /** Not empty. */
  readonly idle: readonly Slot[];
}

/** What waits is shared among the idle children, within what one of them does in a second. */
export function limitsOf(sharing: Sharing): { tokens: number; rows: number; ageMs: number } {
  const { queue, options, idle } = sharing;
  const share = Math.ceil(queue.tokens / idle.length);
  return { tokens: Math.min(share, mostTokens(sharing)), rows: options.batchRows, ageMs: options.batchAgeMs };
}

/** Of any batch. */
function mostTokens({ options, idle }: Sharing): number {
  const affordable = Math.min(...idle.map((slot) => slot.rate.tokensPerSecond)) * MAX_BATCH_SECONDS;
  return Math.min(options.batchTokens, affordable);
}

/** The child whose session spans all cores, when nothing else runs (all `children` are idle) or waits and the batch is small. */
export function wideSlot(entries: readonly Entry[], { queue, idle }: Sharing, children: number): Slot | undefined {
  const alone = idle.length === children && queue.length === 0;
  return alone && paddedTokens(entries) <= WIDE_TOKENS ? idle.find(({ wide }) => wide) : undefined;
}

/** Riders come along where nobody waits for it: what is left has room in other children, and the batch in its bounds. */
export function seated(
  entries: readonly Entry[],
  { mixes }: Slot,
  sharing: Sharing,
  isLoaded: (adapter: string) => boolean,
): Seat[] {
  const seats = seatsOf(entries);
  const most = mostTokens(sharing);
  const tokens = sharing.queue.tokens > (sharing.idle.length - 1) * most ? 0 : most;
  const ready = entries.filter(
    ({ adapters, rider }) => rider && isLoaded(rider.adapter) && mixes.has(mixOf([...adapters, rider.adapter])),
  );
  const riders = ridersFor(ready, seats, { tokens, rows: sharing.options.batchRows });
  const taken = new Set(riders.map(({ entry }) => entry));
  for (const entry of entries) if (!taken.has(entry)) tellRider(entry, 'dropped');
  return [...seats, ...riders];
}
