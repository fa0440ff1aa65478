/** The ids that a service has given so far: requests that name them reach deeper than others. */
import type { Reply } from './http.js';
import type { Operation } from './operations.js';

export type Kind = 'prediction' | 'correction' | 'adapter' | 'run' | 'comparison' | 'delivery';
export type Ids = Readonly<Record<Kind, string[]>> & {
  /** By the operation that gave them. */
  readonly cursors: Map<string, string[]>;
};

/** Ids of each kind that are drawn from: the newest take the place of older ones. */
export const MOST_KNOWN = 64;

export const noIds = (): Ids => ({
  prediction: [],
  correction: [],
  adapter: [],
  run: [],
  comparison: [],
  delivery: [],
  cursors: new Map(),
});

/** Which kind of thing an operation's `{id}` is, by the first part of its path. */
const BY_PATH: Readonly<Record<string, Kind>> = {
  predictions: 'prediction',
  corrections: 'correction',
  adapters: 'adapter',
  'training-runs': 'run',
  'shadow-comparisons': 'comparison',
  'webhook-deliveries': 'delivery',
};

export const kindOf = ({ path: at }: Operation): Kind | undefined => BY_PATH[at.split('/')[1] ?? ''];

/** Those that this list gave. */
export function cursorsOf({ id }: Operation, { cursors: known }: Ids): string[] {
  const all = known.get(id) ?? [];
  known.set(id, all);
  return all;
}

export interface Answered {
  readonly id?: unknown;
  readonly next_cursor?: unknown;
  readonly results?: readonly { readonly prediction_id?: unknown; readonly correction?: Answered | null }[];
}

/** Takes the ids of an answer among those that are known. */
export function learn(operation: Operation, { status, headers, body }: Reply, ids: Ids): void {
  if (status >= 300 || headers['content-type']?.startsWith('application/json') !== true) return;
  const { id, next_cursor, results = [] } = JSON.parse(body.toString()) as Answered;
  keep(cursorsOf(operation, ids), next_cursor);
  const kind = kindOf(operation);
  if (kind !== undefined) keep(ids[kind], id);
  for (const { prediction_id, correction } of results) {
    keep(ids.prediction, prediction_id);
    keep(ids.correction, correction?.id);
  }
}

/** In the order of arrival, so that a seed meets the same things at the same place. */
export function keep(ids: string[], id: unknown): void {
  if (typeof id !== 'string' || ids.includes(id)) return;
  if (ids.push(id) > MOST_KNOWN) ids.shift();
}
