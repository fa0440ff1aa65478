/** What is told of a live shadow: what its row and its counts say. Pure. */
import type { LabelPair, LiveShadowRow } from '../db/live-shadows.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { ShadowEnd } from '../db/schema.js';

export interface LiveShadowState {
  /** `starting`: on, and not all children are ready for it yet. */
  readonly state: 'off' | 'starting' | 'on';
  readonly candidate: AdapterRef | null;
  /** What it judges beside; null: the base model. */
  readonly against: AdapterRef | null;
  readonly rate: number | null;
  readonly since: string | null;
  readonly ended_at: string | null;
  readonly ended_because: ShadowEnd | null;
  /** Pairs since then; it is the sum of the four below. */
  readonly sampled: number;
  readonly agreed: number;
  readonly disagreed: number;
  readonly dropped: number;
  readonly failed: number;
  readonly disagreements: LabelPair[];
}

/** None was ever on. */
export const NEVER: LiveShadowState = {
  state: 'off',
  candidate: null,
  against: null,
  rate: null,
  since: null,
  ended_at: null,
  ended_because: null,
  sampled: 0,
  agreed: 0,
  disagreed: 0,
  dropped: 0,
  failed: 0,
  disagreements: [],
};

const sum = (counts: readonly LabelPair[]): number => counts.reduce((all, { pairs }) => all + pairs, 0);

/** `ready`: every child can judge with the candidate. */
export function stateOf(row: LiveShadowRow, counts: readonly LabelPair[], ready: boolean): LiveShadowState {
  const { rate, since, ended_at, ended_because, dropped, failed } = row;
  const disagreements = counts.filter(({ active_label, candidate_label }) => active_label !== candidate_label);
  const disagreed = sum(disagreements);
  const sampled = sum(counts) + dropped + failed;
  const { against_id: id, against_version: version, against_digest: digest } = row;
  return {
    state: ended_at !== null ? 'off' : ready ? 'on' : 'starting',
    candidate: { id: row.candidate_id, version: row.candidate_version, digest: row.candidate_digest },
    against: id === null || version === null || digest === null ? null : { id, version, digest },
    rate,
    since,
    ended_at,
    ended_because,
    sampled,
    agreed: sum(counts) - disagreed,
    disagreed,
    dropped,
    failed,
    disagreements,
  };
}
