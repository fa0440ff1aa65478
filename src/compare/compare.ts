/** The use case behind shadow comparisons: two adapters judge the held-out reviews, and a gate says what comes of it. */
import { Line } from './line.js';
import { type Compared, compareAdapters, type Report, type ReportParts } from './report.js';
import {
  type ComparisonRow,
  type ComparisonSummary,
  type EndInput,
  getComparison,
  listComparisons,
  newestComparison,
} from '../db/comparisons.js';
import type { Database } from '../db/database.js';
import type { Fence } from '../db/training-run-acts.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import { type Actor, SERVICE } from '../roles.js';

export type { Report, SidedRow } from './report.js';

export interface ComparisonParts extends ReportParts {
  readonly database: Pick<Database, 'run' | 'kysely'>;
  /** The adapter of that name (`active`, a version, an id); null for the base model, undefined when there is none. */
  readonly adapters: { resolve(name: string): Promise<AdapterRef | null | undefined> };
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of a comparison that failed, and, with null, when its state could not be stored. */
  readonly failed?: (error: unknown, id: string | null) => void;
}

export interface StartRequest {
  /** `base`, `active`, a version or an id. */
  readonly old: string;
  readonly new: string;
  /** The attempt of the training run that asks: refused when there is a later one. */
  readonly fence?: Fence;
  /** Who asks; the service itself by default. */
  readonly by?: Actor;
}

/** A comparison as lists tell it. */
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

export interface ComparisonList {
  readonly items: ComparisonItem[];
  readonly next_cursor: string | null;
}

export interface Comparisons {
  /**
   * Resolves when the comparison is on disk; it is judged in the background, one at a time, in the order of asking. Rejects
   * with Problem 'unprocessable' for an adapter that is not there, 'queue-full' when too many wait.
   */
  start(request: StartRequest): Promise<ComparisonItem>;
  /** Resolves when it succeeded or failed. Rejects with Problem 'not-found', or 'unavailable' when the service ends before. */
  wait(id: string): Promise<Comparison>;
  /** Rejects with Problem 'not-found'. */
  get(id: string): Promise<Comparison>;
  /** Newest first. */
  list(page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<ComparisonList>;
  /** The newest that succeeded with these two; null is the base model. */
  latest(newId: string | null, oldId: string | null): Promise<ComparisonItem | null>;
  /** Stops what is judged; the next start of the service begins it again. */
  close(): Promise<void>;
}

const MOST_WAITING = 100;
const MOST_ATTEMPTS = 3;

/** Begins with what the end of the process before cut short. */
export function createComparisons(parts: ComparisonParts): Comparisons {
  const { kysely } = parts.database;
  const line = new Line((signal) => compareNext(parts, signal));
  line.wake();
  const get = async (id: string): Promise<Comparison> => {
    const row = await getComparison(kysely, id);
    if (row === undefined) throw new Problem('not-found', 'there is no shadow comparison of this id');
    return { ...itemOf(row), report: row.report === null ? null : (JSON.parse(row.report) as Report) };
  };
  return {
    get,
    wait(id) {
      // What another process began and left may be waited for: it is done here then.
      line.wake();
      return line.until(async () => ended(await get(id)));
    },
    async start(request) {
      const item = await queue(parts, request);
      line.wake();
      return item;
    },
    async list(page) {
      const { items, next_cursor } = await listComparisons(kysely, page);
      return { items: items.map(itemOf), next_cursor };
    },
    async latest(newId, oldId) {
      const row = await newestComparison(kysely, newId, oldId);
      return row === undefined ? null : itemOf(row);
    },
    close: () => line.close(),
  };
}

const ended = (comparison: Comparison): Comparison | undefined =>
  comparison.state === 'succeeded' || comparison.state === 'failed' ? comparison : undefined;

const iso = ({ now }: ComparisonParts): string => new Date(now()).toISOString();

async function queue(parts: ComparisonParts, request: StartRequest): Promise<ComparisonItem> {
  const compared = {
    old: await resolved(parts, request.old, '/against'),
    new: await resolved(parts, request.new, '/adapter'),
  };
  const id = parts.newId();
  const { fence, by = SERVICE } = request;
  const run_id = fence?.id ?? null;
  const comparison = { id, base_digest: parts.base.digest, ...columnsOf(compared), run_id, created_at: iso(parts) };
  const opened = await parts.database.run('insertComparison', { comparison, most_waiting: MOST_WAITING, by, fence });
  failpoint('comparison.opened');
  if (opened === id) return itemOf({ ...comparison, ...UNJUDGED });
  return itemOf((await getComparison(parts.database.kysely, opened)) as ComparisonSummary);
}

async function resolved({ adapters }: ComparisonParts, name: string, pointer: string): Promise<AdapterRef | null> {
  const adapter = name === 'base' ? null : await adapters.resolve(name);
  if (adapter !== undefined) return adapter;
  const detail = 'names no adapter of this service: give "active", "base", a version or an id';
  throw new Problem('unprocessable', `${pointer} ${detail}`, { errors: [{ pointer, detail }] });
}

/** What is judged next, to its end. False when none waits. */
async function compareNext(parts: ComparisonParts, signal: AbortSignal): Promise<boolean> {
  try {
    const next = await parts.database.run('beginComparison', { at: iso(parts), most_attempts: MOST_ATTEMPTS });
    if (next === null) return false;
    failpoint('comparison.claimed');
    const end = await endOf(parts, next, signal);
    failpoint('comparison.judged');
    if (end !== null) await parts.database.run('endComparison', { ...end, id: next.id, ended_at: iso(parts) });
    failpoint('comparison.ended');
    return true;
  } catch (error) {
    parts.failed?.(error, null);
    throw error;
  }
}

type End = Omit<EndInput, 'id' | 'ended_at'>;

/** Null when the service ends before: the row says that it runs, and the next start begins it again. */
async function endOf(parts: ComparisonParts, row: ComparisonSummary, signal: AbortSignal): Promise<End | null> {
  try {
    if (row.base_digest !== parts.base.digest)
      throw new Problem('conflict', 'it was asked for under another base model');
    return succeeded(await compareAdapters(parts, comparedOf(row), signal));
  } catch (error) {
    if (signal.aborted) return null;
    parts.failed?.(error, row.id);
    return { ...RESULTS, state: 'failed', error: error instanceof Error ? error.message : String(error) };
  }
}

const RESULTS = {
  report: null,
  verdict: null,
  old_accuracy: null,
  new_accuracy: null,
  recommend_deploy: null,
  error: null,
};
const UNJUDGED = { ...RESULTS, state: 'queued', started_at: null, ended_at: null } as const;

const succeeded = (report: Report): End => ({
  state: 'succeeded',
  report: JSON.stringify(report),
  verdict: report.verdict,
  old_accuracy: report.old_accuracy,
  new_accuracy: report.new_accuracy,
  recommend_deploy: report.recommend_deploy ? 1 : 0,
  error: null,
});

const columnsOf = ({ old, new: next }: Compared) => ({
  old_adapter_id: old?.id ?? null,
  old_version: old?.version ?? null,
  old_digest: old?.digest ?? null,
  new_adapter_id: next?.id ?? null,
  new_version: next?.version ?? null,
  new_digest: next?.digest ?? null,
});

const refOf = (id: string | null, version: string | null, digest: string | null): AdapterRef | null =>
  id === null || version === null || digest === null ? null : { id, version, digest };

const comparedOf = (row: ReturnType<typeof columnsOf>): Compared => ({
  old: refOf(row.old_adapter_id, row.old_version, row.old_digest),
  new: refOf(row.new_adapter_id, row.new_version, row.new_digest),
});

type ItemColumns = Omit<ComparisonSummary, 'seq' | 'attempt' | 'base_digest'>;

function itemOf(row: ItemColumns): ComparisonItem {
  const { id, state, run_id, verdict, old_accuracy, new_accuracy, error, created_at, started_at, ended_at } = row;
  const recommend_deploy = row.recommend_deploy === null ? null : row.recommend_deploy === 1;
  const memo = { old_accuracy, new_accuracy, recommend_deploy };
  return { id, state, ...comparedOf(row), run_id, verdict, ...memo, error, created_at, started_at, ended_at };
}
