/** The texts of planned rows, read when they are needed: all of a large table do not fit into memory. */
import type { Database } from '../db/database.js';
import { scanTexts } from '../db/training-data.js';
import { mapped, type Pause } from '../evaluation/turns.js';

export interface PairTexts {
  readonly premise: string;
  readonly nli_hypothesis: string;
}

/** Oldest first. Reads the table once; `gone` is given the rows that were replaced or withdrawn since they were planned. */
export async function* withTexts<R extends { readonly correction_id: string }>(
  db: Database['kysely'],
  rows: readonly R[],
  pause: Pause,
  gone: (row: R) => void = () => undefined,
): AsyncGenerator<R & PairTexts> {
  if (rows.length === 0) return;
  const wanted = new Map<string, R>();
  await mapped(rows, (row) => void wanted.set(row.correction_id, row), pause);
  for await (const { id, premise, nli_hypothesis } of scanTexts(db)) {
    const row = wanted.get(id);
    wanted.delete(id);
    if (row !== undefined) yield { ...row, premise, nli_hypothesis };
    await pause();
  }
  await mapped(wanted.values(), gone, pause);
}
