/** A finished shadow comparison over rows of given fates. */
import type { Comparison } from '../../src/compare/item.js';
import { BOOTSTRAP, type BootstrapOptions } from '../../src/evaluation/bootstrap.js';
import { GATE } from '../../src/evaluation/gate.js';
import type { JudgedRow } from '../../src/evaluation/judged.js';
import { evaluate } from '../../src/evaluation/report.js';
import { type Fate, review } from '../evaluation/reviews.js';

const V3 = { id: '0198c7f2-6d3e-7c1a-9a51-3f2b8c0d4e51', version: 'v3', digest: 'a'.repeat(64) };
const V4 = { id: '0198c7f2-6d3e-7c1a-9a51-3f2b8c0d4e52', version: 'v4', digest: 'b'.repeat(64) };

export interface Options {
  readonly bootstrap?: BootstrapOptions;
}

/** Rows, or fates of rows. */
export async function comparisonOf(
  rows: readonly (Fate | JudgedRow)[],
  { bootstrap = { ...BOOTSTRAP, replicates: 199 } }: Options = {},
): Promise<Comparison> {
  const judged = rows.map((row, at) => (typeof row === 'string' ? review(at, row) : row));
  const evaluation = await evaluate(judged, { limits: GATE, bootstrap });
  const { verdict, old_accuracy, new_accuracy, recommend_deploy } = evaluation;
  return {
    id: '0198c7f2-6d3e-7c1a-9a51-3f2b8c0d4e50',
    state: 'succeeded',
    old: V3,
    new: V4,
    run_id: null,
    verdict,
    old_accuracy,
    new_accuracy,
    recommend_deploy,
    error: null,
    created_at: '2026-01-02T10:00:00.000Z',
    started_at: '2026-01-02T10:00:01.000Z',
    ended_at: '2026-01-02T10:00:09.000Z',
    report: {
      ...evaluation,
      base: { name: 'nli-deberta-v3-tiny', digest: 'c'.repeat(64) },
      old: V3,
      new: V4,
      manifest: 'd'.repeat(64),
      leak_check: { training_rows: 421, same_page: 0, same_text: 0, near_text: 2 },
      not_judged: { 'hypothesis-too-long': 1 },
      latency: { old: { pairs: 20, p50_ms: 18.4, p95_ms: 41.2 }, new: { pairs: 20, p50_ms: 18.9, p95_ms: 42.7 } },
      gate: GATE,
      bootstrap,
    },
  };
}
