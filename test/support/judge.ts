/** The judge over the stand-ins, with what it recorded. */
import type { NewPrediction } from '../../src/db/record.js';
import { createJudge } from '../../src/judge/judge.js';
import type { JudgeParts } from '../../src/judge/parts.js';
import type { JudgePair } from '../../src/judge/judgement.js';
import { labelMap } from '../../src/labels.js';
import { createResultCache } from '../../src/judge/result-cache.js';
import { engineStandIn, textStandIn } from './stand-ins.js';

export const ADAPTER = { id: 'a-1', version: 'v1', digest: 'd1' };
export const pair = (pair_id: string, premise = 'a premise', nli_hypothesis = 'a claim'): JudgePair => ({
  pair_id,
  premise,
  nli_hypothesis,
  page_id: 'p7',
});

export function judgeWith(changes: Partial<JudgeParts> = {}) {
  const rows: NewPrediction[] = [];
  const failures: [unknown, number][] = [];
  let ids = 0;
  const parts: JudgeParts = {
    model: { name: 'tiny', digest: 'm1' },
    text: textStandIn,
    cache: createResultCache(0),
    engine: engineStandIn(),
    labels: labelMap({ 0: 'contradiction', 1: 'entailment', 2: 'neutral' }),
    record: recorder('best-effort', rows, failures),
    adapters: { resolve: async (name) => ({ active: ADAPTER, v1: ADAPTER })[name] },
    clock: { now: () => Date.UTC(2026, 0, 2), monotonic: () => 1000 },
    newId: () => `p-${++ids}`,
    deadlineMs: 500,
    maxTokens: 512,
    ...changes,
  };
  return { judge: createJudge(parts), rows, failures };
}

export function recorder(
  mode: JudgeParts['record']['mode'],
  rows: NewPrediction[],
  failures: [unknown, number][],
  fault?: Error,
): JudgeParts['record'] {
  return {
    mode,
    write: async (written) => {
      if (fault !== undefined) throw fault;
      rows.push(...written);
    },
    failed: (error, count) => failures.push([error, count]),
  };
}
