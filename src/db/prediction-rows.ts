/** A recorded judgement as it is read: its row with texts and revision joined in. */
import type { Kysely } from 'kysely';
import type { Label } from '../labels.js';
import type { Schema } from './schema.js';

/** What names an adapter in an answer. */
export interface AdapterRef {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
}

/** A judgement that was made without error, as it is recorded and as it goes out. */
export interface Prediction {
  /** UUIDv7. */
  readonly id: string;
  readonly pair_id: string;
  readonly page_id: string | null;
  readonly premise: string;
  readonly nli_hypothesis: string;
  readonly label: Label;
  readonly raw_label: string;
  readonly confidence: number;
  readonly scores: Readonly<Record<Label, number>>;
  readonly truncated: boolean;
  readonly model: string;
  readonly model_digest: string;
  /** null: the base model answered. */
  readonly adapter: AdapterRef | null;
  /** From the request's admission to its logits. */
  readonly latency_ms: number;
  /** RFC 3339, UTC, milliseconds, as Date.toISOString() writes it. */
  readonly created_at: string;
  /** What the candidate of a live shadow said where it disagreed. */
  readonly shadow: ShadowAnswer | null;
}

export interface ShadowAnswer {
  readonly adapter: AdapterRef;
  readonly label: Label;
  readonly confidence: number;
  readonly scores: Readonly<Record<Label, number>>;
}

/** Full rows, unordered, for narrowing by `seq` or `id`. */
export function selectPredictions(db: Kysely<Schema>) {
  return db
    .selectFrom('predictions')
    .innerJoin('texts as premises', 'premises.id', 'predictions.premise_id')
    .innerJoin('texts as hypotheses', 'hypotheses.id', 'predictions.hypothesis_id')
    .innerJoin('revisions', 'revisions.id', 'predictions.revision_id')
    .leftJoin('shadow_disagreements', 'shadow_disagreements.prediction_seq', 'predictions.seq')
    .leftJoin('live_shadows', 'live_shadows.seq', 'shadow_disagreements.shadow_seq')
    .select(['predictions.seq', 'predictions.id', 'pair_id', 'page_id', 'label', 'raw_label', 'confidence', 'margin'])
    .select(['scores', 'truncated', 'latency_ms', 'created_at', 'premises.text as premise'])
    .select(['hypotheses.text as nli_hypothesis', 'model', 'model_digest'])
    .select(['adapter_id', 'adapter_version', 'adapter_digest'])
    .select(['candidate_id', 'candidate_version', 'candidate_digest'])
    .select(['candidate_label', 'candidate_confidence', 'candidate_scores']);
}

export type PredictionRow = Awaited<ReturnType<ReturnType<typeof selectPredictions>['execute']>>[number];

function adapterOf({ adapter_id, adapter_version, adapter_digest }: PredictionRow): AdapterRef | null {
  if (adapter_id === null || adapter_version === null || adapter_digest === null) return null;
  return { id: adapter_id, version: adapter_version, digest: adapter_digest };
}

function shadowOf(row: PredictionRow): ShadowAnswer | null {
  const { candidate_id: id, candidate_version: version, candidate_digest: digest } = row;
  const { candidate_label: label, candidate_confidence: confidence, candidate_scores: scores } = row;
  if (id === null || version === null || digest === null) return null;
  if (label === null || confidence === null || scores === null) return null;
  return { adapter: { id, version, digest }, label, confidence, scores: JSON.parse(scores) as ShadowAnswer['scores'] };
}

export function toPrediction(row: PredictionRow): Prediction {
  return {
    id: row.id,
    pair_id: row.pair_id,
    page_id: row.page_id,
    premise: row.premise,
    nli_hypothesis: row.nli_hypothesis,
    label: row.label,
    raw_label: row.raw_label,
    confidence: row.confidence,
    scores: JSON.parse(row.scores) as Prediction['scores'],
    truncated: row.truncated === 1,
    model: row.model,
    model_digest: row.model_digest,
    adapter: adapterOf(row),
    latency_ms: row.latency_ms,
    created_at: row.created_at,
    shadow: shadowOf(row),
  };
}
