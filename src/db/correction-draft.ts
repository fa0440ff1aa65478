/** From what a client said, and what is known of the pair, to the row. */
import type { Label } from '../labels.js';
import { UNNAMED_PAIR } from '../limits.js';
import { contentDigest, type CorrectionInput, formOf, itemError } from './correction-input.js';
import type { Found } from './correction-lookup.js';
import type { CorrectionRow, ItemError } from './correction-rows.js';
import { pairKey } from './pair-key.js';
import type { PredictionRow } from './prediction-rows.js';
import type { ConfidenceSource } from './schema.js';

/** What the model said of the pair. */
export interface Original {
  readonly prediction_id: string | null;
  readonly label: Label;
  readonly confidence: number;
  readonly raw_label: string | null;
  readonly model_digest: string | null;
  readonly adapter_digest: string | null;
}

/** A correction whose members go together, with the id and time it gets when it is new. */
export interface Draft {
  readonly id: string;
  readonly created_at: string;
  readonly input: CorrectionInput;
  /** The judgement that was made for this correction. */
  readonly judged: Original | null;
}

/** The key's own name first: nobody speaks for another. A row of an export keeps its reviewer. */
export function reviewerOf(input: CorrectionInput, key_id: string | null): string {
  const said = input.reviewer ?? 'anonymous';
  return formOf(input) === 'restored' ? said : (key_id ?? said);
}

function missing({ input }: Draft, found: Found, correction: boolean): ItemError | null {
  if (found === 'several' && input.pair_id === UNNAMED_PAIR)
    return itemError(
      'conflict',
      '/pair_id',
      'is that of every pair that was sent without one: correct by prediction_id',
    );
  if (found === 'several')
    return itemError('conflict', '/pair_id', 'names judgements of different texts: correct by prediction_id');
  const form = formOf(input);
  if (found !== undefined || form === 'full' || form === 'restored') return null;
  if (form === 'pair_id') return itemError('unprocessable', '/pair_id', 'names no recorded judgement');
  const detail = correction
    ? 'names a correction: correct its judgement again, the later answer of a reviewer replaces the earlier'
    : 'names no recorded judgement: it never was, or was forgotten; send the correction in full';
  return itemError('unprocessable', '/prediction_id', detail);
}

function recorded({ id, label, confidence, raw_label, model_digest, adapter_digest }: PredictionRow): Original {
  return { prediction_id: id, label, confidence, raw_label, model_digest, adapter_digest };
}

function claimed({ original_label, original_confidence, ...input }: CorrectionInput): Original | null {
  if (original_label === undefined || original_confidence === undefined) return null;
  return {
    prediction_id: input.prediction_id ?? null,
    label: original_label,
    confidence: original_confidence,
    raw_label: input.original_raw_label ?? null,
    model_digest: input.model_digest ?? null,
    adapter_digest: input.adapter_digest ?? null,
  };
}

interface Known {
  readonly original: Original;
  readonly source: ConfidenceSource;
}

/** The record wins over a claim, and what was judged for this correction is the newest record. */
function originalOf({ input, judged }: Draft, record: PredictionRow | undefined): Known | null {
  if (judged !== null) return { original: judged, source: 'judged' };
  if (record !== undefined) return { original: recorded(record), source: 'recorded' };
  const claim = claimed(input);
  return claim === null ? null : { original: claim, source: input.confidence_source ?? 'claimed' };
}

/**
 * The row of a draft, or why there is none.
 * @param found the judgement that it is of
 * @param correction whether its prediction_id is the id of a correction
 */
export function rowOf(
  draft: Draft,
  found: Found,
  correction: boolean,
  key_id: string | null,
): CorrectionRow | ItemError {
  const error = missing(draft, found, correction);
  if (error !== null) return error;
  const record = found === 'several' ? undefined : found;
  const known = originalOf(draft, record);
  if (known === null)
    return itemError('unavailable', '', 'the judgement of this pair was just forgotten: send it again');
  return build(draft, known, record, key_id);
}

function build(
  { input, id, created_at }: Draft,
  { original, source }: Known,
  record: PredictionRow | undefined,
  key_id: string | null,
): CorrectionRow {
  const premise = input.premise ?? record?.premise ?? '';
  const nli_hypothesis = input.nli_hypothesis ?? record?.nli_hypothesis ?? '';
  const reviewer = reviewerOf(input, key_id);
  return {
    id: input.id ?? id,
    external_id: input.external_id ?? null,
    prediction_id: original.prediction_id,
    pair_id: input.pair_id ?? named(record?.pair_id),
    edge_id: input.edge_id ?? null,
    page_id: input.page_id ?? named(record?.page_id),
    premise,
    nli_hypothesis,
    original_label: original.label,
    original_confidence: original.confidence,
    original_raw_label: original.raw_label,
    correct_label: input.correct_label,
    confidence_source: source,
    reviewer,
    reason: input.reason ?? null,
    review_source: input.review_source ?? 'volunteered',
    model_digest: original.model_digest,
    adapter_digest: original.adapter_digest,
    key_id,
    content_sha256: contentDigest(input, reviewer),
    pair_sha256: pairKey(premise, nli_hypothesis),
    created_at: input.created_at ?? created_at,
  };
}

/** A judgement may have been asked for under an empty name, which no correction takes. */
const named = (name: string | null | undefined): string | null => (name === '' ? null : (name ?? null));
