/** Training runs as they are read: one, a page of them, their manifest, their events, the texts they learn from. */
import type { Kysely, Selectable } from 'kysely';
import type { Label } from '../labels.js';
import type { Recipe } from '../recipe.js';
import { newestFirst, type Page, type PageRequest, type Stretch } from './newest-first.js';
import type { Schema, Side, TrainingRunsTable } from './schema.js';
import type { RunCheckpoint } from './training-run-acts.js';

/** Rows, counted when the run was asked for. */
export interface RunCounts {
  readonly train: { readonly corrections: number; readonly confirmations: number };
  readonly validation: { readonly corrections: number; readonly confirmations: number };
  /** Rows that are trained on: corrections and replayed confirmations. */
  readonly used: number;
  readonly left_out: Readonly<Record<string, number>>;
}

export type RunStage = 'preparing' | 'training' | 'registering' | 'comparing';

export interface RunProgress {
  readonly stage: RunStage;
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number | null;
  readonly loss: number | null;
  readonly learning_rate: number | null;
  readonly samples_per_second: number | null;
  readonly seconds_left: number | null;
}

export interface LeftOutRow {
  readonly correction_id: string;
  readonly reason: string;
}

interface StoredManifest {
  readonly code_version: string;
  readonly left_out: LeftOutRow[];
}

type Stored = Selectable<TrainingRunsTable>;

export type TrainingRunRow = Omit<
  Stored,
  'seq' | 'crashes' | 'lease_owner' | 'lease_until' | 'actor' | 'parameters' | 'manifest' | 'counts' | 'progress'
> & {
  readonly parameters: Recipe;
  readonly counts: RunCounts;
  readonly progress: RunProgress | null;
};

export interface RunManifest {
  readonly code_version: string;
  readonly base_model: string;
  readonly base_digest: string;
  readonly parameters: Recipe;
  readonly seed: number;
  readonly corrections: { readonly correction_id: string; readonly side: Side; readonly used: boolean }[];
  readonly left_out: LeftOutRow[];
}

export interface RunEvent {
  readonly seq: number;
  readonly at: string;
  readonly event: { readonly type: string } & Readonly<Record<string, unknown>>;
}

const COLUMNS = [
  'seq',
  'id',
  'state',
  'started_by',
  'base_model',
  'base_digest',
  'parameters',
  'counts',
  'progress',
  'adapter_id',
  'comparison_id',
  'error',
  'seed',
  'attempt',
  'created_at',
  'started_at',
  'ended_at',
] as const satisfies readonly (keyof Stored)[];

const selectRuns = (db: Kysely<Schema>) => db.selectFrom('training_runs').select(COLUMNS);

function toRun({ seq: _seq, ...row }: Pick<Stored, (typeof COLUMNS)[number]>): TrainingRunRow {
  return {
    ...row,
    parameters: JSON.parse(row.parameters) as Recipe,
    counts: JSON.parse(row.counts) as RunCounts,
    progress: row.progress === null ? null : (JSON.parse(row.progress) as RunProgress),
  };
}

export async function findTrainingRun(db: Kysely<Schema>, id: string): Promise<TrainingRunRow | undefined> {
  const row = await selectRuns(db).where('id', '=', id).executeTakeFirst();
  return row && toRun(row);
}

/** Newest first. Throws Problem 'invalid-request' for a cursor of another list. */
export async function listTrainingRuns(db: Kysely<Schema>, page: PageRequest): Promise<Page<TrainingRunRow>> {
  const read = ({ before, limit }: Stretch) =>
    selectRuns(db).where('seq', '<', before).orderBy('seq', 'desc').limit(limit).execute();
  return newestFirst(page, read, toRun);
}

/** What the run was made of: enough to make it again. */
export async function readManifest(db: Kysely<Schema>, run: TrainingRunRow): Promise<RunManifest> {
  const corrections = await db
    .selectFrom('training_run_corrections')
    .select(['correction_id', 'side', 'used'])
    .where('run_id', '=', run.id)
    .orderBy('correction_id')
    .execute();
  const { base_model, base_digest, parameters, seed } = run;
  return {
    ...(await storedManifest(db, run.id)),
    base_model,
    base_digest,
    parameters,
    seed,
    corrections: corrections.map((row) => ({ ...row, used: row.used === 1 })),
  };
}

/** Events after `after`, oldest first, at most `limit`. */
export async function readRunEvents(
  db: Kysely<Schema>,
  run_id: string,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<RunEvent[]> {
  const rows = await db
    .selectFrom('training_run_events')
    .select(['seq', 'at', 'event'])
    .where('run_id', '=', run_id)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map((row) => ({ ...row, event: JSON.parse(row.event) as RunEvent['event'] }));
}

/** The states that the run may go on from, the newest first. */
export const readCheckpoints = (db: Kysely<Schema>, run_id: string): Promise<RunCheckpoint[]> =>
  db
    .selectFrom('training_run_checkpoints')
    .select(['epoch', 'sha256'])
    .where('run_id', '=', run_id)
    .orderBy('epoch', 'desc')
    .execute();

/** As many as are encoded at once: a scan that is not read for a minute is closed. */
const PAIRS_PER_READ = 64;

/** A pair to learn from. */
export interface TrainingPair {
  readonly correction_id: string;
  readonly premise: string;
  readonly hypothesis: string;
  readonly correct_label: Label;
  readonly kind: 'correction' | 'confirmation';
}

/**
 * What the run trains on, in the order of ids. A correction that was replaced or withdrawn since is still there in the
 * history: a run that is resumed learns from what it began with.
 */
export async function* trainingPairs(db: Kysely<Schema>, run_id: string): AsyncGenerator<TrainingPair> {
  const columns = ['id as correction_id', 'premise', 'nli_hypothesis', 'correct_label', 'original_label'] as const;
  const ids = db
    .selectFrom('training_run_corrections')
    .select('correction_id')
    .where('run_id', '=', run_id)
    .where('used', '=', 1);
  const rows = db
    .selectFrom('nli_corrections')
    .select(columns)
    .where('id', 'in', ids)
    .unionAll(db.selectFrom('nli_correction_history').select(columns).where('id', 'in', ids))
    .orderBy('correction_id')
    .stream(PAIRS_PER_READ);
  for await (const { original_label, nli_hypothesis, ...pair } of rows) {
    const kind = original_label === pair.correct_label ? 'confirmation' : 'correction';
    yield { ...pair, hypothesis: nli_hypothesis, kind };
  }
}

/** What tells, cheaply, whether more corrections may be new than before. */
export interface TriggerMark {
  /** Rises by one or two with each correction that is stored, replaced or withdrawn. */
  readonly acts: number;
  /** The run that new corrections are counted from. */
  readonly newest: string | null;
}

export async function triggerMark(db: Kysely<Schema>, base_digest: string): Promise<TriggerMark> {
  const newest = (await newestRun(db, base_digest)) ?? null;
  const count = async (table: 'nli_corrections' | 'nli_correction_history'): Promise<number> =>
    (
      await db
        .selectFrom(table)
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
    ).count;
  return { acts: (await count('nli_corrections')) + 2 * (await count('nli_correction_history')), newest };
}

/** How many corrections may be usable and are not in the newest run of that base model: an upper bound, from indices. */
export async function newCorrectionsAtMost(
  db: Kysely<Schema>,
  { base_digest, min_confidence }: { readonly base_digest: string; readonly min_confidence: number },
): Promise<number> {
  const newest = await newestRun(db, base_digest);
  const { count } = await db
    .selectFrom('nli_corrections')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('original_confidence', '>', min_confidence)
    .whereRef('original_label', '!=', 'correct_label')
    .$if(newest !== undefined, (query) =>
      query.where('id', 'not in', (eb) =>
        eb
          .selectFrom('training_run_corrections')
          .select('correction_id')
          .where('run_id', '=', newest as string),
      ),
    )
    .executeTakeFirstOrThrow();
  return count;
}

/** The run that new corrections are counted from. Failed and cancelled ones count too: after them as many again are waited for. */
export async function newestRun(db: Kysely<Schema>, base_digest: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('training_runs')
    .select('id')
    .where('base_digest', '=', base_digest)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

/** Corrections and confirmations that the newest run of the base model knew as usable, or was to leave out: others are new. */
export async function idsOfNewestRun(db: Kysely<Schema>, base_digest: string): Promise<Set<string>> {
  const newest = await newestRun(db, base_digest);
  if (newest === undefined) return new Set();
  const rows = await db
    .selectFrom('training_run_corrections')
    .select('correction_id')
    .where('run_id', '=', newest)
    .execute();
  const excluded = (await storedManifest(db, newest)).left_out.filter(({ reason }) => reason === 'excluded');
  return new Set([...rows, ...excluded].map(({ correction_id }) => correction_id));
}

async function storedManifest(db: Kysely<Schema>, id: string): Promise<StoredManifest> {
  const { manifest } = await db
    .selectFrom('training_runs')
    .select('manifest')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  return JSON.parse(manifest) as StoredManifest;
}
