/** What the split into sides goes by: groups that stay whole, and no text on both sides. Pure. */
import type { TrainingRow } from '../db/training-data.js';
import { nearAny } from '../evaluation/near-duplicates.js';
import type { Group } from '../evaluation/split.js';
import { grouped, mapped, type Pause } from '../evaluation/turns.js';
import type { Candidate } from './sift.js';

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

const textOf = ({ premise, nli_hypothesis }: Candidate): string => `${premise}\n${nli_hypothesis}`;

function* textsOf(rows: readonly Candidate[]): Generator<string> {
  for (const row of rows) yield textOf(row);
}

/** Ids of held-out rows whose text is nearly one of the training side: they would be answered from memory. */
export async function leaksIn(rows: readonly TrainingRow[], pause: Pause): Promise<Set<string>> {
  const sides = await grouped(rows, ({ side }) => side, pause);
  const held = sides.get('validation') ?? [];
  const near = await nearAny(await mapped(held, textOf, pause), textsOf(sides.get('train') ?? []), pause);
  return new Set(held.filter((_, at) => near[at]).map(({ correction_id }) => correction_id));
}
