/** Whether a training run is worth starting: what it would train on, what it would leave out and why. Stores nothing. */
import type { Database } from './db/database.js';
import type { LeftOut, LeftOutReason, TrainingRow } from './db/training-data.js';
import type { Side } from './db/schema.js';
import { LABELS, type Label } from './labels.js';
import { rowsForLimit } from './evaluation/bootstrap.js';
import { GATE, type GateLimits } from './evaluation/gate.js';
import { inTurns, mapped, type Pause } from './evaluation/turns.js';
import { RECIPE_DEFAULTS, type Recipe } from './recipe.js';
import { planTrainingData, type Prepared } from './prepare.js';

export interface ReadinessOptions {
  /** Usable corrections that a run needs; by default as many as the recipe says. */
  readonly min_corrections?: number;
  /** The recipe's by default. */
  readonly min_confidence?: number;
}

export interface LabelCounts {
  readonly total: number;
  readonly supports: number;
  readonly refutes: number;
  readonly neutral: number;
}

export interface SideReport {
  readonly pages: number;
  readonly corrections: LabelCounts;
  readonly confirmations: LabelCounts;
}

/** A label's share of the rows of each side, of corrections and confirmations together; null: the side has no rows. */
export interface LabelShare {
  readonly label: Label;
  readonly train: number | null;
  readonly validation: number | null;
  /** Within 5 points of each other. */
  readonly within: boolean;
}

/** What the validation side still lacks for the gate to decide. */
export interface GateNeeds {
  readonly corrections: number;
  readonly confirmations: number;
  readonly correction_pages: number;
  readonly confirmation_pages: number;
  /** About how many more confirmations make up for it, when a fifth of them is held out. */
  readonly confirmations_to_collect: number;
}

export interface ReadinessReport {
  readonly ready: boolean;
  readonly min_corrections: number;
  readonly min_confidence: number;
  readonly usable: number;
  readonly confirmations: number;
  readonly new_since_last_run: number;
  readonly split: Readonly<Record<Side, SideReport>> & { readonly label_shares: readonly LabelShare[] };
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

const HELD_SHARE = 0.2;
const POINTS = 0.05;
const LEAST_OF_CLASS = 10;

export async function readiness(parts: ReadinessParts, options: ReadinessOptions = {}): Promise<ReadinessReport> {
  const { recipe = RECIPE_DEFAULTS, gate = GATE } = parts;
  const { min_corrections = recipe.min_corrections, min_confidence = recipe.min_confidence } = options;
  const prepared = await planTrainingData(parts.database, { min_confidence });
  return await report(prepared, await parts.trained(), { min_corrections, min_confidence, gate }, inTurns(TURN_MS));
}

/** A turn of this thread's work; others come after each. */
const TURN_MS = 5;

/** The report of what is prepared. Pure. */
async function report(
  { rows, left_out, counts }: Pick<Prepared, 'rows' | 'left_out' | 'counts'>,
  trained: ReadonlySet<string>,
  { min_corrections, min_confidence, gate }: Required<ReadinessOptions> & { readonly gate: GateLimits },
  pause: Pause = () => undefined,
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

/** Rows of one side and kind. */
class Counted {
  readonly labels = { total: 0, supports: 0, refutes: 0, neutral: 0 };
  readonly groups = new Set<string>();

  add({ correct_label, group_key }: TrainingRow): void {
    this.labels.total += 1;
    this.labels[correct_label] += 1;
    this.groups.add(group_key);
  }
}

type ByKind = Readonly<Record<TrainingRow['kind'], Counted>>;

const byKind = (): ByKind => ({ correction: new Counted(), confirmation: new Counted() });

/** All that is counted, in one pass. */
class Tally {
  readonly #sides: Readonly<Record<Side, ByKind>> = { train: byKind(), validation: byKind() };
  readonly confirmed: string[] = [];
  /** Corrections that no run was trained on. */
  fresh = 0;

  of(side: Side): ByKind {
    return this.#sides[side];
  }

  add(row: TrainingRow, trained: ReadonlySet<string>): void {
    this.#sides[row.side][row.kind].add(row);
    if (row.kind === 'confirmation') this.confirmed.push(row.correction_id);
    else if (!trained.has(row.correction_id)) this.fresh += 1;
  }
}

const sideReport = ({ correction, confirmation }: ByKind): SideReport => ({
  pages: new Set([...correction.groups, ...confirmation.groups]).size,
  corrections: correction.labels,
  confirmations: confirmation.labels,
});

function shareOf(sides: Readonly<Record<Side, SideReport>>, label: Label): LabelShare {
  const share = ({ corrections, confirmations }: SideReport): number | null => {
    const total = corrections.total + confirmations.total;
    return total === 0 ? null : (corrections[label] + confirmations[label]) / total;
  };
  const [train, validation] = [share(sides.train), share(sides.validation)];
  const within = train !== null && validation !== null && Math.abs(train - validation) <= POINTS;
  return { label, train, validation, within };
}

/** At best: that the new adapter breaks none of the confirmations. */
function gateNeeds({ correction, confirmation }: ByKind, gate: GateLimits): GateNeeds {
  const { lower_limit, alpha, least_rows, least_pages } = gate;
  const confirmations = Math.max(least_rows, lower_limit < 0 ? rowsForLimit(-lower_limit, alpha) : 0);
  const lacking = (have: number, need: number): number => Math.max(0, need - have);
  const needed = lacking(confirmation.labels.total, confirmations);
  return {
    corrections: lacking(correction.labels.total, least_rows),
    confirmations: needed,
    correction_pages: lacking(correction.groups.size, least_pages),
    confirmation_pages: lacking(confirmation.groups.size, least_pages),
    confirmations_to_collect: Math.ceil(needed / HELD_SHARE),
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function warningsOf(sides: Readonly<Record<Side, SideReport>>, shares: readonly LabelShare[]): string[] {
  const pages = sides.train.pages + sides.validation.pages;
  const scarce = LABELS.filter((label) => sides.train.corrections[label] < LEAST_OF_CLASS).map(
    (label) => `${label}: ${sides.train.corrections[label]} corrections to train on, fewer than ${LEAST_OF_CLASS}`,
  );
  const apart = shares.flatMap(({ label, train, validation, within }) =>
    within || train === null || validation === null
      ? []
      : [
          `${label}: ${percent(train)} of the training side but ${percent(validation)} of the validation side: whole pages allow no nearer split`,
        ],
  );
  const missing = (['train', 'validation'] as const)
    .filter((side) => sides[side].pages === 0)
    .map(
      (side) =>
        `the ${side} side is empty: no page is ever cut in two, and ${pages === 1 ? 'one page holds everything' : 'the sides of these pages are decided'}`,
    );
  return [...scarce, ...apart, ...missing];
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
