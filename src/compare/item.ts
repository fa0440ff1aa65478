/** A shadow comparison as it is told and as its row keeps it. Pure. */
import type { ComparisonRow, ComparisonSummary, EndInput } from '../db/comparisons.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { Compared, Report } from './report.js';

/** As lists tell it. */
export interface ComparisonItem extends Compared {
  readonly id: string;
  readonly state: ComparisonRow['state'];
  readonly run_id: string | null;
  readonly verdict: ComparisonRow['verdict'];
  /** The memo's three keys; null until it succeeded, the accuracies also when there was no row to judge. */
  readonly old_accuracy: number | null;
  readonly new_accuracy: number | null;
  readonly recommend_deploy: boolean | null;
  /** Why it failed. */
  readonly error: string | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
}

export interface Comparison extends ComparisonItem {
  /** Null until it succeeded. */
  readonly report: Report | null;
}

type ItemColumns = Omit<ComparisonSummary, 'seq' | 'attempt' | 'base_digest'>;

export function itemOf(row: ItemColumns): ComparisonItem {
  const { id, state, run_id, verdict, old_accuracy, new_accuracy, error, created_at, started_at, ended_at } = row;
  const recommend_deploy = row.recommend_deploy === null ? null : row.recommend_deploy === 1;
  const memo = { old_accuracy, new_accuracy, recommend_deploy };
  return { id, state, ...comparedOf(row), run_id, verdict, ...memo, error, created_at, started_at, ended_at };
}

export const comparisonOf = (row: ComparisonRow): Comparison => ({
  ...itemOf(row),
  report: row.report === null ? null : (JSON.parse(row.report) as Report),
});

export const columnsOf = ({ old, new: next }: Compared) => ({
  old_adapter_id: old?.id ?? null,
  old_version: old?.version ?? null,
  old_digest: old?.digest ?? null,
  new_adapter_id: next?.id ?? null,
  new_version: next?.version ?? null,
  new_digest: next?.digest ?? null,
});

export const comparedOf = (row: ReturnType<typeof columnsOf>): Compared => ({
  old: refOf(row.old_adapter_id, row.old_version, row.old_digest),
  new: refOf(row.new_adapter_id, row.new_version, row.new_digest),
});

const refOf = (id: string | null, version: string | null, digest: string | null): AdapterRef | null =>
  id === null || version === null || digest === null ? null : { id, version, digest };

/** What a comparison's end adds to its row. */
export type End = Omit<EndInput, 'id' | 'ended_at'>;

const RESULTS = {
  report: null,
  verdict: null,
  old_accuracy: null,
  new_accuracy: null,
  recommend_deploy: null,
  error: null,
};

/** The columns of one that nobody has begun. */
export const QUEUED = { ...RESULTS, state: 'queued', started_at: null, ended_at: null } as const;

export const succeeded = (report: Report): End => ({
  state: 'succeeded',
  report: JSON.stringify(report),
  verdict: report.verdict,
  old_accuracy: report.old_accuracy,
  new_accuracy: report.new_accuracy,
  recommend_deploy: report.recommend_deploy ? 1 : 0,
  error: null,
});

export const failed = (error: unknown): End => ({
  ...RESULTS,
  state: 'failed',
  error: error instanceof Error ? error.message : String(error),
});
