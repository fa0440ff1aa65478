/** Reading corrections: one, a page of them, all of them. */
import { type Expression, type ExpressionBuilder, type Kysely, type SqlBool } from 'kysely';
import { DEFAULT_ITEMS } from '../limits.js';
import type { Label } from '../labels.js';
import { type Correction, EXPORTED_COLUMNS, type ExportedCorrection, toCorrections } from './correction-rows.js';
import { findRows } from './correction-lookup.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { instant } from './filters.js';
import type { ConfidenceSource, ReviewSource, Schema } from './schema.js';
import { MIN_CONFIDENCE } from './usability.js';

export interface CorrectionFilters {
  /** `ended`: what was replaced or withdrawn. */
  readonly state?: 'current' | 'ended';
  readonly kind?: 'correction' | 'confirmation';
  readonly page_id?: string;
  readonly pair_id?: string;
  readonly prediction_id?: string;
  readonly edge_id?: string;
  readonly external_id?: string;
  readonly reviewer?: string;
  readonly original_label?: Label;
  readonly correct_label?: Label;
  readonly review_source?: ReviewSource;
  readonly confidence_source?: ConfidenceSource;
  /** Inclusive, of the original confidence. */
  readonly min_confidence?: number;
  readonly max_confidence?: number;
  /** Stored at this time or later. */
  readonly since?: string;
  /** Stored before this time. */
  readonly until?: string;
}

export interface CorrectionListOptions extends CorrectionFilters {
  /** From 1 to LIMITS.items_per_list. */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface CorrectionPage {
  readonly items: Correction[];
  readonly next_cursor: string | null;
}

const EQUAL = [
  'page_id',
  'pair_id',
  'prediction_id',
  'edge_id',
  'external_id',
  'reviewer',
  'original_label',
  'correct_label',
  'review_source',
  'confidence_source',
] as const;

type Rows = ExpressionBuilder<Schema, 'nli_corrections'>;

/** All of the filters that are given, joined by AND. */
function matching(rows: Rows, filters: CorrectionFilters): Expression<SqlBool> {
  const { kind, min_confidence, max_confidence, since, until } = filters;
  const all = EQUAL.flatMap((name) => (filters[name] === undefined ? [] : [rows(name, '=', filters[name])]));
  if (kind !== undefined)
    all.push(rows('original_label', kind === 'correction' ? '!=' : '=', rows.ref('correct_label')));
  if (min_confidence !== undefined) all.push(rows('original_confidence', '>=', min_confidence));
  if (max_confidence !== undefined) all.push(rows('original_confidence', '<=', max_confidence));
  if (since !== undefined) all.push(rows('created_at', '>=', instant('since', since)));
  if (until !== undefined) all.push(rows('created_at', '<', instant('until', until)));
  return rows.and(all);
}

const SHAPE = ['string', 'string'] as const;

/** Newest first; a walk by `next_cursor` meets what was there at its start once. */
export async function listCorrections(
  db: Kysely<Schema>,
  { limit = DEFAULT_ITEMS, cursor, state, ...filters }: CorrectionListOptions = {},
): Promise<CorrectionPage> {
  const after = cursor === undefined ? null : decodeCursor(cursor, SHAPE);
  const table = state === 'ended' ? 'nli_correction_history' : 'nli_corrections';
  // Both tables have the columns that filters look at.
  const rows = await db
    .selectFrom(table as 'nli_corrections')
    .selectAll()
    .where((eb) => matching(eb, filters))
    .$if(after !== null, (query) =>
      query.where((eb) => eb(eb.refTuple('created_at', 'id'), '<', eb.tuple(after?.[0] ?? '', after?.[1] ?? ''))),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const items = await toCorrections(db, rows.slice(0, limit), MIN_CONFIDENCE);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, next_cursor: last === undefined ? null : encodeCursor([last.created_at, last.id]) };
}

/** The correction of that id, current or ended; null when there is none. */
export async function getCorrection(db: Kysely<Schema>, id: string): Promise<Correction | null> {
  const row = (await findRows(db, 'id', [id])).get(id);
  return row === undefined ? null : ((await toCorrections(db, [row], MIN_CONFIDENCE))[0] ?? null);
}

/** Every current correction, oldest first, as of the time of the call. */
export function exportCorrections(db: Kysely<Schema>): AsyncIterableIterator<ExportedCorrection> {
  return db.selectFrom('nli_corrections').select(EXPORTED_COLUMNS).orderBy('created_at').orderBy('id').stream();
}
