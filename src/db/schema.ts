/** The tables as Kysely sees them. Migrations make them; a column changes in both places or the tests of rows fail. */
import type { Generated } from 'kysely';
import type { Label } from '../labels.js';

/** Each text once. `sha256` is the 32-byte digest of the UTF-8 text. */
export interface TextsTable {
  id: Generated<number>;
  sha256: Uint8Array;
  text: string;
}

/** What judged: one row per base model and adapter that ever answered. The adapter's columns are null for the base model. */
export interface RevisionsTable {
  id: Generated<number>;
  model: string;
  model_digest: string;
  adapter_id: string | null;
  adapter_version: string | null;
  adapter_digest: string | null;
}

/** One judgement that was answered without error. */
export interface PredictionsTable {
  /** The order of recording: what indices and cursors end in. */
  seq: Generated<number>;
  /** UUIDv7, chosen by the caller. */
  id: string;
  pair_id: string;
  page_id: string | null;
  premise_id: number;
  hypothesis_id: number;
  revision_id: number;
  label: Label;
  raw_label: string;
  confidence: number;
  /** The best score less the second best: the smaller, the more a review teaches. */
  margin: number;
  /** JSON object: wire label → score. */
  scores: string;
  truncated: 0 | 1;
  latency_ms: number;
  /** The API key that asked. */
  key_id: string | null;
  /** ISO 8601, UTC, milliseconds (`2026-01-31T12:00:00.000Z`): sorts as text and reads as it goes out. */
  created_at: string;
}

/** One adapter against another on the held-out reviews. Adapter columns that are null mean the base model alone. */
export interface ShadowComparisonsTable {
  /** The order of asking: what is queued runs in it, lists are in it. */
  seq: Generated<number>;
  /** UUIDv7. */
  id: string;
  state: 'queued' | 'running' | 'succeeded' | 'failed';
  base_digest: string;
  old_adapter_id: string | null;
  old_version: string | null;
  old_digest: string | null;
  new_adapter_id: string | null;
  new_version: string | null;
  new_digest: string | null;
  /** The training run that asked for it. */
  run_id: string | null;
  /** How often it was begun: a start of the service begins what the end before cut short. */
  attempt: number;
  /** JSON. */
  report: string | null;
  verdict: 'recommend' | 'do_not_recommend' | 'not_enough_data' | null;
  /** Null also when no row could be judged. */
  old_accuracy: number | null;
  new_accuracy: number | null;
  recommend_deploy: 0 | 1 | null;
  error: string | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
}

export interface Schema {
  texts: TextsTable;
  revisions: RevisionsTable;
  predictions: PredictionsTable;
  shadow_comparisons: ShadowComparisonsTable;
}
