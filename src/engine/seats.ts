/** The rows of a batch: each entry once for every adapter that judges it, and riders where there is room. */
import type { Entry } from './request.js';

/** An entry under one adapter. */
export interface Seat {
  readonly entry: Entry;
  readonly length: number;
  readonly adapter: string | null;
  /** Where its logits belong in the request's answer; null: they are a rider's. */
  readonly place: number | null;
}

/** The name of a mix: the same for the same adapters in any order. */
export const mixOf = (adapters: readonly (string | null)[]): string =>
  [...new Set(adapters.map((adapter) => adapter ?? ''))].toSorted().join();

/** Without riders. */
export const seatsOf = (entries: readonly Entry[]): Seat[] =>
  entries.flatMap((entry) =>
    entry.adapters.map((adapter, at) => ({
      entry,
      length: entry.length,
      adapter,
      place: entry.index * entry.adapters.length + at,
    })),
  );

export interface Room {
  /** Padded tokens and rows of the whole batch. */
  readonly tokens: number;
  readonly rows: number;
}

/** Riders of `entries` for a batch that has `seats`, as many as fit into it without another row getting any longer. */
export function ridersFor(entries: readonly Entry[], seats: readonly Seat[], { tokens, rows }: Room): Seat[] {
  const longest = Math.max(...seats.map(({ length }) => length));
  const most = Math.min(rows, Math.floor(tokens / longest)) - seats.length;
  const wanted = entries.flatMap((entry) =>
    entry.rider ? [{ entry, length: entry.length, adapter: entry.rider.adapter, place: null }] : [],
  );
  return wanted.slice(0, Math.max(0, most));
}

/** Tells the rider, unless it was told. */
export function tellRider(entry: Entry, outcome: Float32Array | 'dropped' | 'failed'): void {
  const { rider } = entry;
  entry.rider = undefined;
  rider?.done(outcome);
}
