/** Whether a training run is worth starting: what it would train on, what it would leave out and why. Stores nothing. */
import type { Database } from '../db/database.js';
import type { LeftOut, LeftOutReason } from '../db/training-data.js';
import { GATE, type GateLimits } from '../evaluation/gate.js';
import { inTurns, mapped, type Pause } from '../evaluation/turns.js';
import { LABELS } from '../labels.js';
import { RECIPE_DEFAULTS, type Recipe } from '../recipe.js';
import { type LabelShare, shareOf, sideReport, type Sides, warningsOf } from './balance.js';
import { type GateNeeds, gateNeeds } from './gate-needs.js';
import { planTrainingData, type Prepared, TURN_MS } from './prepare.js';
import { Tally } from './tally.js';

export interface ReadinessOptions {
  /** Usable corrections that a run needs; by default as many as the recipe says. */
  readonly min_corrections?: number;
  /** The recipe's by default. */
  readonly min_confidence?: number;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly min_corrections: number;
  readonly min_confidence: number;
  readonly usable: number;
  readonly confirmations: number;
  readonly new_since_last_run: number;
  readonly split: Sides & { readonly label_shares: readonly LabelShare[] };
  readonly gate_needs: GateNeeds;
  readonly warnings: readonly string[];
  readonly left_out: {
    readonly counts: Readonly<Partial<Record<Reason, number>>>;
    readonly items: readonly ReasonedId[];
  };
}

/** Confirmations are no corrections, though they have a side and can be replayed. */
export type Reason = LeftOutReason | 'confirmation';

export interface ReasonedId {
  readonly correction_id: string;
  readonly reason: Reason;
}

export interface ReadinessParts {
  readonly database: Pick<Database, 'kysely'>;
  /** Ids of the corrections that the newest run knew. */
  readonly trained: () => Promise<ReadonlySet<string>>;
  /** What a run takes that names no parameter; the service's own by default. */
  readonly recipe?: Pick<Recipe, 'min_corrections' | 'min_confidence'>;
  /** The default gate by default. */
  readonly gate?: GateLimits;
}

export async function readiness(parts: ReadinessParts, options: ReadinessOptions = {}): Promise<ReadinessReport> {
  const { recipe = RECIPE_DEFAULTS, gate = GATE } = parts;
  const { min_corrections = recipe.min_corrections, min_confidence = recipe.min_confidence } = options;
  const prepared = await planTrainingData(parts.database, { min_confidence });
  return await report(prepared, await parts.trained(), { min_corrections, min_confidence, gate }, inTurns(TURN_MS));
}

/** The report of what is prepared. Pure. */
async function report(
  { rows, left_out, counts }: Pick<Prepared, 'rows' | 'left_out' | 'counts'>,
  trained: ReadonlySet<string>,
  { min_corrections, min_confidence, gate }: Required<ReadinessOptions> & { readonly gate: GateLimits },
  pause: Pause,
): Promise<ReadinessReport> {
  const tally = new Tally();
  await mapped(rows, (row) => tally.add(row, trained), pause);
  const sides = { train: sideReport(tally.of('train')), validation: sideReport(tally.of('validation')) };
  const label_shares = LABELS.map((label) => shareOf(sides, label));
  return {
    ready: counts.usable >= min_corrections,
    min_corrections,
    min_confidence,
    usable: counts.usable,
    confirmations: counts.confirmations,
    new_since_last_run: tally.fresh,
    split: { ...sides, label_shares },
    gate_needs: gateNeeds(tally.of('validation'), gate),
    warnings: rows.length === 0 ? ['there is nothing to train on yet'] : warningsOf(sides, label_shares),
    left_out: await leftOut(tally.confirmed, left_out, pause),
  };
}

async function leftOut(
  confirmed: readonly string[],
  left_out: readonly LeftOut[],
  pause: Pause,
): Promise<ReadinessReport['left_out']> {
  const counts: Partial<Record<Reason, number>> = {};
  const count = (item: ReasonedId): ReasonedId => {
    counts[item.reason] = (counts[item.reason] ?? 0) + 1;
    return item;
  };
  const items = await mapped(left_out, count, pause);
  for (const correction_id of confirmed) items.push(count({ correction_id, reason: 'confirmation' }));
  return { counts, items };
}
