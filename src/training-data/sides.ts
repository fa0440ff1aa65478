/** What the split into sides goes by: groups that stay whole, and no text on both sides. */
import type { Database } from '../db/database.js';
import type { Side } from '../db/schema.js';
import type { TrainingRow } from '../db/training-data.js';
import { nearAny } from '../evaluation/near-duplicates.js';
import type { Group } from '../evaluation/split.js';
import { grouped, mapped, type Pause } from '../evaluation/turns.js';
import type { Candidate } from './sift.js';
import { withTexts } from './texts.js';

/** Rows by group, counted by what is to be balanced: labels, labels of corrections and of confirmations, and all. */
export async function groupsOf(candidates: readonly Candidate[], pause: Pause): Promise<Group[]> {
  const groups = await grouped(candidates, ({ group_key }) => group_key, pause);
  return mapped(groups, ([key, rows]) => ({ key, strata: strataOf(rows) }), pause);
}

function strataOf(rows: readonly Candidate[]): Record<string, number> {
  const strata: Record<string, number> = {};
  for (const { kind, correct_label } of rows)
    for (const stratum of ['all', correct_label, `${kind}:${correct_label}`])
      strata[stratum] = (strata[stratum] ?? 0) + 1;
  return strata;
}

/** Rows that leave although they have a side, by their ids. */
export interface Leaving {
  /** Held-out rows whose text is nearly one of the training side: they would be answered from memory. */
  readonly near: ReadonlySet<string>;
  /** Replaced or withdrawn since they were planned: whether they are near to others was not seen. */
  readonly gone: ReadonlySet<string>;
}

export async function leavingOf(db: Database['kysely'], rows: readonly TrainingRow[], pause: Pause): Promise<Leaving> {
  const sides = await grouped(rows, ({ side }) => side, pause);
  const [held, gone]: [string[], Set<string>] = [[], new Set()];
  const leave = ({ correction_id }: TrainingRow): void => void gone.add(correction_id);
  const textsOf = async function* (side: Side): AsyncGenerator<string> {
    for await (const row of withTexts(db, sides.get(side) ?? [], pause, leave)) {
      if (side === 'validation') held.push(row.correction_id);
      yield `${row.premise}\n${row.nli_hypothesis}`;
    }
  };
  const near = await nearAny(textsOf('validation'), textsOf('train'), pause);
  return { near: new Set(held.filter((_, at) => near[at])), gone };
}
