/** The rows of each side, counted. */
import type { Side } from '../db/schema.js';
import type { TrainingRow } from '../db/training-data.js';

/** Rows of one side and kind. */
export class Counted {
  readonly labels = { total: 0, supports: 0, refutes: 0, neutral: 0 };
  readonly groups = new Set<string>();

  add({ correct_label, group_key }: TrainingRow): void {
    this.labels.total += 1;
    this.labels[correct_label] += 1;
    this.groups.add(group_key);
  }
}

export type ByKind = Readonly<Record<TrainingRow['kind'], Counted>>;

const byKind = (): ByKind => ({ correction: new Counted(), confirmation: new Counted() });

/** All that is counted, in one pass. */
export class Tally {
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
