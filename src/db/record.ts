/** The unit of work that records judgements. */
import { createHash } from 'node:crypto';
import type { Insertable, Kysely, Selectable } from 'kysely';
import { failpoint } from '../failpoints.js';
import { LABELS, type Label } from '../labels.js';
import type { Prediction } from './prediction-rows.js';
import type { PredictionsTable, RevisionsTable, Schema } from './schema.js';

/** One judgement as it is kept: what was asked and answered, what made it, and who asked. */
export interface NewPrediction extends Omit<Prediction, 'shadow'> {
  /** The API key that asked; null while the service is open. */
  readonly key_id: string | null;
}

export interface RecordInput {
  readonly rows: readonly NewPrediction[];
}

/** SQLite takes 32,766 parameters in a statement; a row of predictions has 15. */
const ROWS_PER_STATEMENT = 1000;

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** The best of the scores less the second best. */
function marginOf(scores: Readonly<Record<Label, number>>): number {
  const [best = 0, second = 0] = LABELS.map((label) => scores[label]).sort((a, b) => b - a);
  return best - second;
}

const hex = (digest: Uint8Array) => Buffer.from(digest).toString('hex');

/** Stores each text unless it is there; text → its id. */
async function internTexts(db: Kysely<Schema>, texts: readonly string[]): Promise<Map<string, number>> {
  const rows = texts.map((text) => ({ text, sha256: createHash('sha256').update(text).digest() }));
  const added = await db
    .insertInto('texts')
    .values(rows)
    .onConflict((conflict) => conflict.column('sha256').doNothing())
    .returning(['id', 'sha256'])
    .execute();
  const ids = new Map(added.map(({ id, sha256 }) => [hex(sha256), id]));
  const old = rows.map(({ sha256 }) => sha256).filter((sha256) => !ids.has(hex(sha256)));
  for (const { id, sha256 } of await knownTexts(db, old)) ids.set(hex(sha256), id);
  return new Map(rows.map(({ text, sha256 }) => [text, idIn(ids, hex(sha256))]));
}

/** Most texts are new: then nothing is asked. */
async function knownTexts(
  db: Kysely<Schema>,
  sought: readonly Buffer[],
): Promise<{ id: number; sha256: Uint8Array }[]> {
  if (sought.length === 0) return [];
  return await db.selectFrom('texts').select(['id', 'sha256']).where('sha256', 'in', sought).execute();
}

function idIn(ids: ReadonlyMap<string, number>, key: string): number {
  const id = ids.get(key);
  if (id === undefined) throw new Error('a row that was just stored is not there');
  return id;
}

type Revision = Omit<Selectable<RevisionsTable>, 'id'>;

function revisionOf({ model, model_digest, adapter }: NewPrediction): Revision {
  const { id = null, version = null, digest = null } = adapter ?? {};
  return { model, model_digest, adapter_id: id, adapter_version: version, adapter_digest: digest };
}

/** The id of the row that says what judged. Two units never insert it at once: the writer runs one after the other. */
async function internRevision(db: Kysely<Schema>, revision: Revision): Promise<number> {
  const columns = Object.keys(revision) as (keyof Revision)[];
  const row = await db
    .selectFrom('revisions')
    .select('id')
    .where((eb) => eb.and(columns.map((column) => eb(column, 'is', revision[column]))))
    .executeTakeFirst();
  if (row !== undefined) return row.id;
  return (await db.insertInto('revisions').values(revision).returning('id').executeTakeFirstOrThrow()).id;
}

/** As a rule one revision made all rows of a request; the key is its content. */
async function internRevisions(db: Kysely<Schema>, rows: readonly NewPrediction[]): Promise<Map<string, number>> {
  const ids = new Map<string, number>();
  for (const revision of rows.map(revisionOf)) {
    const key = JSON.stringify(revision);
    if (!ids.has(key)) ids.set(key, await internRevision(db, revision));
  }
  return ids;
}

async function recordSome(db: Kysely<Schema>, rows: readonly NewPrediction[]): Promise<void> {
  const texts = await internTexts(db, [...new Set(rows.flatMap((row) => [row.premise, row.nli_hypothesis]))]);
  failpoint('judgements.texts.written');
  const revisions = await internRevisions(db, rows);
  const values = rows.map((row): Insertable<PredictionsTable> => ({
    id: row.id,
    pair_id: row.pair_id,
    page_id: row.page_id,
    premise_id: idIn(texts, row.premise),
    hypothesis_id: idIn(texts, row.nli_hypothesis),
    revision_id: idIn(revisions, JSON.stringify(revisionOf(row))),
    label: row.label,
    raw_label: row.raw_label,
    confidence: row.confidence,
    margin: marginOf(row.scores),
    scores: JSON.stringify(row.scores),
    truncated: row.truncated ? 1 : 0,
    latency_ms: row.latency_ms,
    key_id: row.key_id,
    created_at: row.created_at,
  }));
  await db.insertInto('predictions').values(values).execute();
  failpoint('judgements.written');
}

/** Records all `rows` or none. Throws when an id is already there, or a value is not what its column takes. */
export async function recordPredictions(db: Kysely<Schema>, { rows }: RecordInput): Promise<void> {
  for (const part of chunks(rows, ROWS_PER_STATEMENT)) await recordSome(db, part);
}
