/** The texts of planned rows, read when they are needed: all of a large table do not fit into memory. */
import type { Database } from '../db/database.js';
import { scanTexts } from '../db/training-data.js';
import { mapped, type Pause } from '../evaluation/turns.js';

export interface PairTexts {
  readonly premise: string;
  readonly nli_hypothesis: string;
}

/** Oldest first. Reads the table once; a row that was replaced or withdrawn since it was planned is left out. */
export async function* withTexts<R extends { readonly correction_id: string }>(
  db: Database['kysely'],
  rows: readonly R[],
  pause: Pause,
): AsyncGenerator<R & PairTexts> {
  if (rows.length === 0) return;
  const wanted = new Map<string, R>();
  await mapped(rows, (row) => wanted.set(row.correction_id, row), pause);
  for await (const { id, premise, nli_hypothesis } of scanTexts(db)) {
    const row = wanted.get(id);
    if (row !== undefined) yield { ...row, premise, nli_hypothesis };
    await pause();
  }
}
