/** Only what is not known already is run. */
import { type Asked, judgeRows, type Judged, type Outcome, type RowParts } from './rows.js';
import type { JudgePair } from './judgement.js';
import type { ResultCache } from './result-cache.js';

export interface JudgedOnce extends Judged {
  /** Where in `pairs` the rows stand that the engine ran, and that the shadow was asked about. */
  readonly run: readonly number[];
}

/** As judgeRows, with what `cache` knows, and what it learns from this. */
export async function judgeUnknown(parts: RowParts, cache: ResultCache, asked: Asked): Promise<JudgedOnce> {
  const adapter = asked.adapter?.digest ?? null;
  const outcomes: (Outcome | undefined)[] = asked.pairs.map((pair) => cache.get(adapter, pair));
  const unknown = [...outcomes.keys()].filter((at) => outcomes[at] === undefined);
  const pairs = unknown.map((at) => asked.pairs[at] as JudgePair);
  const judged = await judgeRows(parts, { ...asked, pairs });
  for (const [index, outcome] of judged.outcomes.entries()) {
    outcomes[unknown[index] as number] = outcome;
    learn(cache, adapter, pairs[index] as JudgePair, outcome);
  }
  const run = unknown.filter((at) => 'logits' in (outcomes[at] as Outcome));
  return { outcomes: outcomes as Outcome[], shadowed: judged.shadowed, run };
}

/** What had no answer may have one the next time. */
function learn(cache: ResultCache, adapter: string | null, pair: JudgePair, outcome: Outcome): void {
  if (!('logits' in outcome) || outcome.logits === null) return;
  cache.set(adapter, pair, { logits: outcome.logits, truncated: outcome.truncated });
}
