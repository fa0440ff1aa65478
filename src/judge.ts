/** The use case behind POST /nli: pairs → text → engine → labels → record → answers. */
import type { Label } from './labels.js';

export interface JudgePair {
  readonly pair_id: string;
  readonly premise: string;
  readonly nli_hypothesis: string;
  readonly page_id: string | null;
}

export interface Judgement {
  readonly pair_id: string;
  readonly prediction_id: string | null;
  readonly label: Label;
  readonly confidence: number;
  readonly raw_label: string | null;
  readonly scores: Record<Label, number> | null;
  readonly truncated: boolean;
  readonly error: string | null;
}

export interface AdapterRef {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
}

export interface JudgeAnswer {
  readonly model: string;
  readonly adapter: AdapterRef | null;
  readonly results: Judgement[];
}

export interface JudgeRequest {
  readonly pairs: readonly JudgePair[];
  /** `active`, `base`, a version or an id. */
  readonly adapter: string;
  readonly signal?: AbortSignal;
}
