/** Replay against forgetting: for each correction a confirmation, so that what was right weighs as much as what was wrong. */

/** The corrections, and as many confirmations: in turn again from the first where there are fewer. None make none. */
export function withReplay<T>(corrections: readonly T[], confirmations: readonly T[]): T[] {
  if (confirmations.length === 0) return [...corrections];
  return [...corrections, ...corrections.map((_, i) => confirmations[i % confirmations.length] as T)];
}
