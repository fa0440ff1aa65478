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

export interface Schema {
  texts: TextsTable;
  revisions: RevisionsTable;
  predictions: PredictionsTable;
}
