/** Long work in short turns, so that a thread that answers requests answers them between. */
import type { Pause } from './bootstrap.js';

export type { Pause } from './bootstrap.js';

/** A pause that lets others have their turn once `turnMs` have passed; undefined until then. */
export function inTurns(turnMs: number): Pause {
  let since = performance.now();
  return () => {
    if (performance.now() - since < turnMs) return undefined;
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      since = performance.now();
    });
  };
}

/** Array.map, with a pause between items. */
export async function mapped<T, U>(items: Iterable<T>, map: (item: T) => U, pause: Pause): Promise<U[]> {
  const results: U[] = [];
  for (const item of items) {
    results.push(map(item));
    const turn = pause();
    if (turn) await turn;
  }
  return results;
}

/** Items by their key, in the order they came, with a pause between. */
export async function grouped<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string,
  pause: Pause,
): Promise<Map<string, T[]>> {
  const groups = new Map<string, T[]>();
  await mapped(
    items,
    (item) => {
      const key = keyOf(item);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [item]);
      else group.push(item);
    },
    pause,
  );
  return groups;
}

/** So many are sorted at once, in about a millisecond. */
const RUN = 1000;

/** Merge sort, stable as Array.sort is, with pauses. */
export async function sorted<T>(items: readonly T[], compare: (a: T, b: T) => number, pause: Pause): Promise<T[]> {
  let runs: T[][] = [];
  for (let from = 0; from < items.length; from += RUN) {
    runs.push(items.slice(from, from + RUN).sort(compare));
    await pause();
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let at = 0; at < runs.length; at += 2)
      merged.push(await merge(runs[at] as T[], runs[at + 1] ?? [], compare, pause));
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number, pause: Pause): Promise<T[]> {
  const merged: T[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    const left = j === b.length || (i < a.length && compare(a[i] as T, b[j] as T) <= 0);
    merged.push((left ? a[i++] : b[j++]) as T);
    const turn = pause();
    if (turn) await turn;
  }
  return merged;
}
