/** What a list of predictions can be narrowed by: one table, filter → SQL. */
import { type Expression, type ExpressionBuilder, type SqlBool, sql } from 'kysely';
import { Problem } from '../errors.js';
import type { Label } from '../labels.js';
import { fold } from './fold.js';
import type { Schema } from './schema.js';

export interface PredictionFilters {
  /** The API key that asked. */
  readonly key_id?: string;
  readonly page_id?: string;
  readonly pair_id?: string;
  readonly label?: Label;
  /** Inclusive. */
  readonly min_confidence?: number;
  /** Inclusive. */
  readonly max_confidence?: number;
  /** `base`, or the id, the version or the digest of an adapter. */
  readonly adapter?: string;
  /** Recorded at this time or later; any date-time that Date reads. */
  readonly since?: string;
  /** Recorded before this time, so that neighbouring ranges share nothing. */
  readonly until?: string;
  /** Found in the premise or the hypothesis, whatever the case; `%` and `_` mean themselves. */
  readonly text?: string;
  /** True: without those that a live shadow disagreed with and nobody reviewed. */
  readonly undisputed?: boolean;
}

type Rows = ExpressionBuilder<Schema, 'predictions'>;
type Given = Required<PredictionFilters>;
type Table<F extends keyof Given = keyof Given> = {
  readonly [K in F]: (rows: Rows, value: Given[K]) => Expression<SqlBool>;
};

/** In the form that created_at is stored in. Throws Problem 'invalid-request' for a time that is none. */
export function instant(pointer: 'since' | 'until', value: string): string {
  const time = new Date(value);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new Problem('invalid-request', `${pointer} is no date-time`, {
    errors: [{ pointer, detail: 'must be a date-time such as 2026-01-31T12:00:00Z' }],
  });
}

function judgedBy(rows: Rows, adapter: string): Expression<SqlBool> {
  const revisions = rows.selectFrom('revisions').select('revisions.id');
  return rows(
    'revision_id',
    'in',
    adapter === 'base'
      ? revisions.where('adapter_digest', 'is', null)
      : revisions.where((eb) =>
          eb.or([
            eb('adapter_id', '=', adapter),
            eb('adapter_version', '=', adapter),
            eb('adapter_digest', '=', adapter),
          ]),
        ),
  );
}

function mentions(rows: Rows, text: string): Expression<SqlBool> {
  return rows.exists(
    rows
      .selectFrom('texts')
      .select('texts.id')
      .where(sql<SqlBool>`texts.id in (predictions.premise_id, predictions.hypothesis_id)`)
      .where(sql<SqlBool>`folded_includes(texts.text, ${fold(text)})`),
  );
}

/** That a live shadow disagreed with, and nobody reviewed yet. */
export const disputed = sql<SqlBool>`exists (select 1 from shadow_disagreements
  where shadow_disagreements.prediction_seq = predictions.seq)
  and not exists (select 1 from nli_corrections where nli_corrections.prediction_id = predictions.id)`;

const FILTERS: Table = {
  key_id: (rows, value) => rows('key_id', '=', value),
  page_id: (rows, value) => rows('page_id', '=', value),
  pair_id: (rows, value) => rows('pair_id', '=', value),
  label: (rows, value) => rows('label', '=', value),
  min_confidence: (rows, value) => rows('confidence', '>=', value),
  max_confidence: (rows, value) => rows('confidence', '<=', value),
  adapter: judgedBy,
  since: (rows, value) => rows('created_at', '>=', instant('since', value)),
  until: (rows, value) => rows('created_at', '<', instant('until', value)),
  text: mentions,
  undisputed: (_rows, value) => (value ? sql<SqlBool>`not (${disputed})` : sql<SqlBool>`true`),
};

function apply<F extends keyof Given>(rows: Rows, name: F, filters: PredictionFilters): Expression<SqlBool>[] {
  const table: Table<F> = FILTERS;
  const value = filters[name];
  return value === undefined ? [] : [table[name](rows, value as Given[F])];
}

/** All of the filters that are given, joined by AND. Throws Problem 'invalid-request' for a time that is none. */
export function matching(rows: Rows, filters: PredictionFilters): Expression<SqlBool> {
  const names = Object.keys(FILTERS) as (keyof Given)[];
  return rows.and(names.flatMap((name) => apply(rows, name, filters)));
}
