/** Corrections → the rows a run trains on and a comparison judges, each on its side, and why the others are left out. */
import type { Database } from './db/database.js';
import { groupKey, normaliseText } from './db/pair-key.js';
import type { Side } from './db/schema.js';
import {
  type LeftOut,
  readSides,
  scanCorrections,
  type ScannedCorrection,
  type TrainingRow,
  withdrawnIds,
} from './db/training-data.js';
import { MIN_CONFIDENCE, usability } from './db/usability.js';
import { nearAny } from './evaluation/near-duplicates.js';
import { decideSides, type Group } from './evaluation/split.js';

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
const TURN_MS = 8;

function yielding(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < TURN_MS) return undefined;
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      since = performance.now();
    });
  };
}

type Pause = ReturnType<typeof yielding>;

async function read(db: Database['kysely'], pause: Pause): Promise<ScannedCorrection[]> {
  const rows: ScannedCorrection[] = [];
  for await (const row of scanCorrections(db)) {
    rows.push(row);
    await pause();
  }
  return rows;
}

type Candidate = Omit<TrainingRow, 'side'>;

const empty = ({ premise, nli_hypothesis }: ScannedCorrection): boolean =>
  normaliseText(premise) === '' || normaliseText(nli_hypothesis) === '';

function candidate(row: ScannedCorrection): Candidate {
  const { id, page_id, premise, nli_hypothesis, original_label, correct_label, original_confidence, review_source } =
    row;
  const kind = original_label === correct_label ? 'confirmation' : 'correction';
  const group_key = groupKey(page_id, premise);
  return {
    correction_id: id,
    page_id,
    group_key,
    premise,
    nli_hypothesis,
    original_label,
    correct_label,
    original_confidence,
    kind,
    review_source,
  };
}

interface Sifted {
  readonly candidates: Candidate[];
  readonly left_out: LeftOut[];
}

async function sift(
  rows: readonly ScannedCorrection[],
  minConfidence: number,
  exclude: ReadonlySet<string>,
  pause: Pause,
): Promise<Sifted> {
  const reasons = usability(rows, minConfidence);
  const sifted: Sifted = { candidates: [], left_out: [] };
  for (const row of rows) {
    await pause();
    const why = reasons.get(row.id) ?? null;
    const reason = exclude.has(row.id) ? 'excluded' : empty(row) ? 'empty' : why === 'confirmation' ? null : why;
    if (reason === null) sifted.candidates.push(candidate(row));
    else sifted.left_out.push({ correction_id: row.id, reason });
  }
  return sifted;
}

/** Rows by group, counted by what is to be balanced: labels, labels of corrections and of confirmations, and all. */
function groupsOf(candidates: readonly Candidate[]): Group[] {
  const groups = new Map<string, Record<string, number>>();
  for (const { group_key, kind, correct_label } of candidates) {
    const strata = groups.get(group_key) ?? {};
    for (const stratum of ['all', correct_label, `${kind}:${correct_label}`])
      strata[stratum] = (strata[stratum] ?? 0) + 1;
    groups.set(group_key, strata);
  }
  return [...groups].map(([key, strata]) => ({ key, strata }));
}

const textOf = ({ premise, nli_hypothesis }: Candidate): string => `${premise}\n${nli_hypothesis}`;

/** Held-out rows whose text is nearly one of the training side would be answered from memory: they leave. */
async function withoutLeaks(rows: readonly TrainingRow[], left_out: LeftOut[], pause: Pause): Promise<TrainingRow[]> {
  const held = rows.filter(({ side }) => side === 'validation');
  const trained = rows.filter(({ side }) => side === 'train');
  const near = await nearAny(held.map(textOf), trained.map(textOf), pause);
  const leaks = new Set(held.filter((_, at) => near[at]).map(({ correction_id }) => correction_id));
  for (const correction_id of leaks) left_out.push({ correction_id, reason: 'near_duplicate_across_sides' });
  return rows.filter(({ correction_id }) => !leaks.has(correction_id));
}

function countsOf(rows: readonly TrainingRow[], left_out: readonly LeftOut[]): PreparedCounts {
  const of = (keep: (row: TrainingRow) => boolean): number => rows.filter(keep).length;
  return {
    usable: of(({ kind }) => kind === 'correction'),
    confirmations: of(({ kind }) => kind === 'confirmation'),
    train: of(({ side }) => side === 'train'),
    validation: of(({ side }) => side === 'validation'),
    left_out: left_out.length,
  };
}

async function planned(
  database: Pick<Database, 'kysely'>,
  { min_confidence = MIN_CONFIDENCE, exclude = [] }: PrepareOptions,
  fix: (fresh: [string, Side][]) => Promise<[string, Side][]>,
): Promise<Prepared> {
  const pause = yielding();
  const scanned = await read(database.kysely, pause);
  const { candidates, left_out } = await sift(scanned, min_confidence, new Set(exclude), pause);
  for (const correction_id of await withdrawnIds(database.kysely))
    left_out.push({ correction_id, reason: 'withdrawn' });
  const sides = await readSides(database.kysely);
  const fresh = [...decideSides(groupsOf(candidates), sides)];
  for (const [key, side] of [...fresh, ...(await fix(fresh))]) sides.set(key, side);
  const sided = candidates.map((row): TrainingRow => ({ ...row, side: sides.get(row.group_key) as Side }));
  const rows = await withoutLeaks(sided, left_out, pause);
  return { rows, left_out, fresh, counts: countsOf(rows, left_out) };
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
