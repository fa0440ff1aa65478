/** Corrections → the rows a run trains on and a comparison judges, each on its side, and why the others are left out. */
import type { Database } from '../db/database.js';
import type { Side } from '../db/schema.js';
import { type LeftOut, readSides, scanCorrections, type TrainingRow, withdrawnIds } from '../db/training-data.js';
import { MIN_CONFIDENCE } from '../db/usability.js';
import { decideSides, SPLIT } from '../evaluation/split.js';
import { inTurns, mapped, type Pause } from '../evaluation/turns.js';
import { groupsOf, type Leaving, leavingOf } from './sides.js';
import { type ReadRow, readRow, sift } from './sift.js';

export interface PrepareOptions {
  /** A correction counts when the model was surer than this of its error; 0.8 by default. */
  readonly min_confidence?: number;
  /** Ids of corrections to leave out. */
  readonly exclude?: readonly string[];
}

export interface PreparedCounts {
  readonly usable: number;
  readonly confirmations: number;
  readonly train: number;
  readonly validation: number;
  readonly left_out: number;
}

export interface Prepared {
  readonly rows: TrainingRow[];
  readonly left_out: LeftOut[];
  /** Groups that had no side before. */
  readonly fresh: [group_key: string, side: Side][];
  readonly counts: PreparedCounts;
}

/** A turn of this thread's work; others come after each. */
export const TURN_MS = 5;

async function readAll(db: Database['kysely'], pause: Pause): Promise<ReadRow[]> {
  const rows: ReadRow[] = [];
  for await (const row of scanCorrections(db)) {
    rows.push(readRow(row));
    await pause();
  }
  return rows;
}

/** The rows that neither leak nor are gone, and why the others are left out; `withdrawn` are ids, each told once. */
async function staying(
  sided: readonly TrainingRow[],
  { near, gone }: Leaving,
  { left_out, withdrawn }: { readonly left_out: LeftOut[]; readonly withdrawn: Set<string> },
  pause: Pause,
): Promise<Omit<Prepared, 'fresh'>> {
  const counts = { usable: 0, confirmations: 0, train: 0, validation: 0 };
  const rows: TrainingRow[] = [];
  const keep = (row: TrainingRow): void => {
    rows.push(row);
    counts[row.kind === 'correction' ? 'usable' : 'confirmations'] += 1;
    counts[row.side] += 1;
  };
  const sort = (row: TrainingRow): void => {
    const { correction_id } = row;
    if (gone.has(correction_id)) withdrawn.add(correction_id);
    else if (near.has(correction_id)) left_out.push({ correction_id, reason: 'near_duplicate_across_sides' });
    else keep(row);
  };
  await mapped(sided, sort, pause);
  await mapped(withdrawn, (correction_id) => left_out.push({ correction_id, reason: 'withdrawn' }), pause);
  return { rows, left_out, counts: { ...counts, left_out: left_out.length } };
}

async function planned(
  { kysely }: Pick<Database, 'kysely'>,
  { min_confidence = MIN_CONFIDENCE, exclude = [] }: PrepareOptions,
  fix: (fresh: [string, Side][]) => Promise<[string, Side][]>,
): Promise<Prepared> {
  const pause = inTurns(TURN_MS);
  const excluded = new Set(exclude);
  const { candidates, left_out } = await sift(await readAll(kysely, pause), min_confidence, excluded, pause);
  const withdrawn = new Set(await withdrawnIds(kysely));
  const sides = await readSides(kysely);
  const fresh = [...(await decideSides(await groupsOf(candidates, pause), sides, { ...SPLIT, pause }))];
  await mapped([...fresh, ...(await fix(fresh))], ([key, side]) => sides.set(key, side), pause);
  const sided = await mapped(
    candidates,
    (row): TrainingRow => ({ ...row, side: sides.get(row.group_key) as Side }),
    pause,
  );
  const leaving = await leavingOf(kysely, sided, pause);
  return { ...(await staying(sided, leaving, { left_out, withdrawn }, pause)), fresh };
}

/** The split that a run would make now; nothing is stored. */
export async function planTrainingData(
  database: Pick<Database, 'kysely'>,
  options: PrepareOptions = {},
): Promise<Prepared> {
  return await planned(database, options, async () => []);
}

/**
 * The rows of a run or a comparison: usable corrections and confirmations, each on the side of its group. Groups that had
 * none get one, which is on disk when this resolves and is never changed; of two calls at once the first one decides.
 * @param at ISO 8601, UTC, milliseconds: when new sides count as decided
 */
export async function prepareTrainingData(
  database: Pick<Database, 'kysely' | 'run'>,
  options: PrepareOptions = {},
  at: string = new Date().toISOString(),
): Promise<Prepared> {
  return await planned(database, options, (sides) => database.run('storeSides', { sides, at }));
}
