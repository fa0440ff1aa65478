/** Corrections as they are read: the row, whether it still counts, and whether it can be trained on. */
import type { Kysely, Selectable } from 'kysely';
import type { FieldError, ProblemCode } from '../errors.js';
import type { NliCorrectionHistoryTable, NliCorrectionsTable, Schema } from './schema.js';
import { usability, USABILITY_COLUMNS, type WhyNot } from './usability.js';

export type CorrectionRow = Selectable<NliCorrectionsTable>;
export type EndedCorrectionRow = Selectable<NliCorrectionHistoryTable>;

/** The columns that go out and come in; the others are this database's own. */
const PUBLIC_COLUMNS = [
  'id',
  'external_id',
  'prediction_id',
  'pair_id',
  'edge_id',
  'page_id',
  'premise',
  'nli_hypothesis',
  'original_label',
  'original_confidence',
  'original_raw_label',
  'correct_label',
  'confidence_source',
  'reviewer',
  'reason',
  'review_source',
  'model_digest',
  'adapter_digest',
  'created_at',
] as const satisfies readonly (keyof CorrectionRow)[];

export type PublicCorrection = Pick<CorrectionRow, (typeof PUBLIC_COLUMNS)[number]>;

/** An export also has the digest of what the client said, so that a correction sent again is known after an import. */
export const EXPORTED_COLUMNS = [...PUBLIC_COLUMNS, 'content_sha256'] as const;

export type ExportedCorrection = Pick<CorrectionRow, (typeof EXPORTED_COLUMNS)[number]>;

/** Whether an exported row is, in everything that is exported, the row that is stored. */
export const sameExport = (a: ExportedCorrection, b: ExportedCorrection): boolean =>
  EXPORTED_COLUMNS.every((name) => a[name] === b[name]);

export interface Correction extends PublicCorrection {
  readonly state: 'current' | 'replaced' | 'withdrawn';
  /** When it stopped counting. */
  readonly ended_at: string | null;
  /** Whether a training run would learn from it as a correction. */
  readonly usable: boolean;
  readonly why_not: WhyNot | 'replaced' | 'withdrawn' | null;
}

/** What is wrong with one of several corrections. */
export interface ItemError {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors: readonly FieldError[];
}

const isEnded = (row: CorrectionRow | EndedCorrectionRow): row is EndedCorrectionRow => 'ended_by' in row;

function publicPart(row: CorrectionRow): PublicCorrection {
  return Object.fromEntries(PUBLIC_COLUMNS.map((name) => [name, row[name]])) as unknown as PublicCorrection;
}

function toCorrection(
  row: CorrectionRow | EndedCorrectionRow,
  reasons: ReadonlyMap<string, WhyNot | null>,
): Correction {
  const ended = isEnded(row) ? row.ended_by : null;
  const why_not = ended ?? reasons.get(row.id) ?? null;
  return {
    ...publicPart(row),
    state: ended ?? 'current',
    ended_at: isEnded(row) ? row.ended_at : null,
    usable: why_not === null,
    why_not,
  };
}

/** The reasons of all current rows of these pairs. */
async function reasonsOf(db: Kysely<Schema>, pairs: readonly string[], minConfidence: number) {
  const rows = await db
    .selectFrom('nli_corrections')
    .select(USABILITY_COLUMNS)
    .where('pair_sha256', 'in', pairs)
    .execute();
  return usability(rows, minConfidence);
}

/** The rows as they go out, in their order. One query more, for the other rows of their pairs. */
export async function toCorrections(
  db: Kysely<Schema>,
  rows: readonly (CorrectionRow | EndedCorrectionRow)[],
  minConfidence: number,
): Promise<Correction[]> {
  const pairs = new Set(rows.filter((row) => !isEnded(row)).map(({ pair_sha256 }) => pair_sha256));
  const reasons = pairs.size === 0 ? new Map<string, null>() : await reasonsOf(db, [...pairs], minConfidence);
  return rows.map((row) => toCorrection(row, reasons));
}
