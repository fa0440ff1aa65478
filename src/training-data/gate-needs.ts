/** What the gate of a comparison would still lack. Pure. */
import { rowsForLimit } from '../evaluation/bootstrap.js';
import type { GateLimits } from '../evaluation/gate.js';
import type { ByKind } from './tally.js';

const HELD_SHARE = 0.2;

/** What the validation side still lacks for the gate to decide. */
export interface GateNeeds {
  readonly corrections: number;
  readonly confirmations: number;
  readonly correction_pages: number;
  readonly confirmation_pages: number;
  /** About how many more confirmations make up for it, when a fifth of them is held out. */
  readonly confirmations_to_collect: number;
}

/** At best: that the new adapter breaks none of the confirmations. */
export function gateNeeds({ correction, confirmation }: ByKind, gate: GateLimits): GateNeeds {
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
