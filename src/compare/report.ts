/** One shadow comparison from its rows to its report. */
import { createHash } from 'node:crypto';
import { judgeBoth, type JudgeBothParts, type JudgedBoth } from './rows.js';
import { BOOTSTRAP, type BootstrapOptions, type Pause } from '../evaluation/bootstrap.js';
import { GATE, type GateLimits } from '../evaluation/gate.js';
import type { JudgedRow, ReviewedRow } from '../evaluation/judged.js';
import { type LeakCheck, withoutLeaks } from '../evaluation/leaks.js';
import { type Evaluation, evaluate } from '../evaluation/report.js';
import type { AdapterRef } from '../db/prediction-rows.js';

/** The usable corrections and confirmations, by their side of the split. */
export interface Reviews {
  readonly held: readonly ReviewedRow[];
  /** Read while they are looked through: they may be too many to be held at once. */
  readonly trained: Iterable<TrainedRow> | AsyncIterable<TrainedRow>;
}

type TrainedRow = Pick<ReviewedRow, 'group_key' | 'premise' | 'nli_hypothesis'>;

export interface ReportParts extends JudgeBothParts {
  readonly base: { readonly name: string; readonly digest: string };
  readonly reviews: () => Promise<Reviews>;
  readonly gate?: Partial<GateLimits>;
  readonly bootstrap?: BootstrapOptions;
}

/** Null is the base model alone. */
export interface Compared {
  readonly old: AdapterRef | null;
  readonly new: AdapterRef | null;
}

/** The report as it is kept and told. */
export interface Report extends Evaluation, Compared {
  readonly base: ReportParts['base'];
  /** SHA-256 over the judged rows' ids, texts and correct labels: equal ones were the same examination. */
  readonly manifest: string;
  readonly leak_check: LeakCheck;
  readonly not_judged: JudgedBoth['not_judged'];
  readonly latency: JudgedBoth['latency'];
  readonly gate: GateLimits;
  readonly bootstrap: BootstrapOptions;
}

/** Judges the held-out rows with both adapters. Rejects as `judgeBoth` does. */
export async function compareAdapters(parts: ReportParts, compared: Compared, signal: AbortSignal): Promise<Report> {
  const { base, bootstrap = BOOTSTRAP } = parts;
  const gate = { ...GATE, ...parts.gate };
  const pause = inTurns(signal);
  const { held, trained } = await parts.reviews();
  const { rows, check } = await withoutLeaks(held, trained, pause);
  const digests = { old: compared.old?.digest ?? null, new: compared.new?.digest ?? null };
  const judged = await judgeBoth(parts, rows, digests, signal);
  const evaluation = await evaluate(judged.rows, { limits: gate, bootstrap, pause });
  const { not_judged, latency } = judged;
  const manifest = manifestOf(judged.rows);
  return { ...evaluation, base, ...compared, manifest, leak_check: check, not_judged, latency, gate, bootstrap };
}

function manifestOf(rows: readonly JudgedRow[]): string {
  const hash = createHash('sha256');
  for (const row of rows.toSorted((a, b) => (a.correction_id < b.correction_id ? -1 : 1)))
    hash.update(JSON.stringify([row.correction_id, row.premise, row.nli_hypothesis, row.correct_label]));
  return hash.digest('hex');
}

/** A turn of this thread's work; requests are answered after each. */
const TURN_MS = 5;

function inTurns(signal: AbortSignal): Pause {
  let since = performance.now();
  return () => {
    if (performance.now() - since < TURN_MS) return undefined;
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      signal.throwIfAborted();
      since = performance.now();
    });
  };
}
