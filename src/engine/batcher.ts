/**
 * Which of the waiting rows go into the next batch. Pure: no clock, no process.
 *
 * The oldest row is always in it, so nothing starves; around it come the rows nearest in length, so little is padded. A
 * batch is bounded by padded tokens and rows, and an unfilled one may be held back until its oldest row is `ageMs` old.
 */

export interface Waiting {
  readonly length: number;
  /** Rows with different keys never share a batch. */
  readonly key: string;
  readonly since: number;
}

export interface BatchLimits {
  /** Padded tokens: rows × longest row. A longer row goes alone. */
  readonly tokens: number;
  readonly rows: number;
  readonly ageMs: number;
}

/** Above this share of padding a row waits for better company. */
export const MAX_PADDING = 1.15;
/** Company is looked for among so many times the rows of a batch, the oldest: a long queue is not sorted for each batch. */
const LOOK_AHEAD = 4;

/** The rows of the next batch, shortest first; none when it is better to wait. `waiting` is in order of arrival. */
export function nextBatch<W extends Waiting>(waiting: readonly W[], limits: BatchLimits, now: number): W[] {
  const [oldest] = waiting;
  if (!oldest) return [];
  const near = waiting.filter(({ key }) => key === oldest.key).slice(0, LOOK_AHEAD * limits.rows);
  const company = near.sort((a, b) => a.length - b.length);
  const batch = around(company, company.indexOf(oldest), limits);
  const full = batch.length < company.length || batch.length >= limits.rows;
  return full || now - oldest.since >= limits.ageMs ? batch : [];
}

/** Grows a run of neighbours in length around `seed` while the limits hold. */
function around<W extends Waiting>(sorted: readonly W[], seed: number, { tokens, rows }: BatchLimits): W[] {
  let [low, high] = [seed, seed];
  let sum = sorted[seed]!.length;
  for (;;) {
    const next = nearer(sorted, low, high);
    if (next === undefined) break;
    const longest = Math.max(sorted[next]!.length, sorted[high]!.length);
    const padded = longest * (high - low + 2);
    sum += sorted[next]!.length;
    if (padded > tokens || high - low + 2 > rows || padded > sum * MAX_PADDING) break;
    if (next < low) low = next;
    else high = next;
  }
  return sorted.slice(low, high + 1);
}

/** The index beside the run whose length is nearer to it. */
function nearer<W extends Waiting>(sorted: readonly W[], low: number, high: number): number | undefined {
  const [left, right] = [sorted[low - 1], sorted[high + 1]];
  if (!left) return right ? high + 1 : undefined;
  if (!right) return low - 1;
  return right.length - sorted[high]!.length <= sorted[low]!.length - left.length ? high + 1 : low - 1;
}
