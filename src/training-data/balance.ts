/** How the sides compare: what each holds, the share of every label in it, and what is to be warned of. Pure. */
import type { Side } from '../db/schema.js';
import { LABELS, type Label } from '../labels.js';
import type { ByKind } from './tally.js';

const POINTS = 0.05;
const LEAST_OF_CLASS = 10;

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

export type Sides = Readonly<Record<Side, SideReport>>;

/** A label's share of the rows of each side, of corrections and confirmations together; null: the side has no rows. */
export interface LabelShare {
  readonly label: Label;
  readonly train: number | null;
  readonly validation: number | null;
  /** Within 5 points of each other. */
  readonly within: boolean;
}

export const sideReport = ({ correction, confirmation }: ByKind): SideReport => ({
  pages: new Set([...correction.groups, ...confirmation.groups]).size,
  corrections: correction.labels,
  confirmations: confirmation.labels,
});

/** The share of one label, 0 to 1, in each side. */
export function shareOf(sides: Sides, label: Label): LabelShare {
  const share = ({ corrections, confirmations }: SideReport): number | null => {
    const total = corrections.total + confirmations.total;
    return total === 0 ? null : (corrections[label] + confirmations[label]) / total;
  };
  const [train, validation] = [share(sides.train), share(sides.validation)];
  const within = train !== null && validation !== null && Math.abs(train - validation) <= POINTS;
  return { label, train, validation, within };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Sentences for people; none where the sides are as they should be. */
export function warningsOf(sides: Sides, shares: readonly LabelShare[]): string[] {
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
