/** The tables as Kysely sees them. Migrations make them; a column changes in both places or the tests of rows fail. */
import type { Generated } from 'kysely';
import type { Label } from '../labels.js';
import type { Actor, Role } from '../roles.js';

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

/** `recorded`: from a judgement kept here; `claimed`: what the correction said; `judged`: judged here for the correction. */
export type ConfidenceSource = 'recorded' | 'claimed' | 'judged';

/** Why the pair was looked at: a sample of errors is not a sample of traffic. */
export type ReviewSource = 'volunteered' | 'random' | 'disagreement' | 'low_margin';

/** What a reviewer said of a pair: one row per (prediction, reviewer). It has its own texts, so it outlives the judgement. */
export interface NliCorrectionsTable {
  /** UUIDv7. */
  id: string;
  /** The client's own name for the correction: stored once. */
  external_id: string | null;
  prediction_id: string | null;
  pair_id: string | null;
  edge_id: string | null;
  page_id: string | null;
  premise: string;
  nli_hypothesis: string;
  original_label: Label;
  /** Raw, 0 to 1. */
  original_confidence: number;
  original_raw_label: string | null;
  correct_label: Label;
  confidence_source: ConfidenceSource;
  reviewer: string;
  reason: string | null;
  review_source: ReviewSource;
  /** What judged; null when nobody here knows. */
  model_digest: string | null;
  adapter_digest: string | null;
  /** The API key that sent it. */
  key_id: string | null;
  /** SHA-256 (hex) of what the client said: tells a repeated correction from another one. */
  content_sha256: string;
  /** SHA-256 (hex) of the normalised pair: rows of one pair are duplicates, or in conflict. */
  pair_sha256: string;
  created_at: string;
}

/** Rows that no longer count. */
export interface NliCorrectionHistoryTable extends NliCorrectionsTable {
  ended_at: string;
  ended_by: 'replaced' | 'withdrawn';
}

/** The answer to a request that carried an Idempotency-Key, written in the transaction of what the request did. */
export interface IdempotencyKeysTable {
  key: string;
  route: string;
  /** The API key that asked; empty while the service is open. */
  key_id: string;
  body_sha256: string;
  /** JSON. */
  answer: string;
  created_at: string;
}

export type Side = 'train' | 'validation';

/** The side of a group of rows, once and for ever. */
export interface PageSidesTable {
  group_key: string;
  side: Side;
  decided_at: string;
}

/** One adapter of one base model. */
export interface AdaptersTable {
  seq: Generated<number>;
  /** UUIDv7. */
  id: string;
  /** v1, v2 … for each base model. */
  version: string;
  /** What it computes: SHA-256 of its weights and of each module's rank and scale. */
  digest: string;
  /** SHA-256 of the two files as they were taken in. */
  config_sha256: string;
  weights_sha256: string;
  base_digest: string;
  base_model: string;
  origin: 'trained' | 'imported';
  run_id: string | null;
  r: number;
  lora_alpha: number;
  /** JSON list of names. */
  target_modules: string;
  created_at: string;
}

/** Every move of the alias `active`, in order; the newest says what is active. */
export interface AdapterAliasTable {
  seq: Generated<number>;
  /** null: the base model. */
  adapter_id: string | null;
  /** `fallback`: a start that could not serve what was active. */
  act: 'promote' | 'rollback' | 'fallback';
  comparison_id: string | null;
  forced: 0 | 1;
  reason: string | null;
  actor: string;
  at: string;
}

export type RunState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** One training run. It ends once: the database refuses to change a run that has ended. */
export interface TrainingRunsTable {
  /** The order of the queue. */
  seq: Generated<number>;
  /** UUIDv7. */
  id: string;
  state: RunState;
  started_by: 'request' | 'trigger';
  /** Who asked: the API key's id; null while the service is open, and for the trigger. */
  actor: string | null;
  base_model: string;
  base_digest: string;
  /** JSON: every parameter. */
  parameters: string;
  /** JSON: code version, and the corrections left out with their reasons. */
  manifest: string;
  /** JSON: rows by side and kind. */
  counts: string;
  /** JSON: where it is; null before it runs. */
  progress: string | null;
  adapter_id: string | null;
  comparison_id: string | null;
  /** Why it failed. */
  error: string | null;
  seed: number;
  /** Counts its beginnings, and is the fencing token: what an earlier beginning still writes is refused. */
  attempt: number;
  /** Beginnings that died since the newest checkpoint: after three of them the run fails. */
  crashes: number;
  /** The process that runs it, and until when it is believed to, unless it says so again. */
  lease_owner: string | null;
  lease_until: string | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
}

/** What happened in a run, from 1. */
export interface TrainingRunEventsTable {
  run_id: string;
  seq: number;
  at: string;
  /** JSON object with `type`. */
  event: string;
}

/** A state after an epoch that the run goes on from. Only the present attempt may write one. */
export interface TrainingRunCheckpointsTable {
  run_id: string;
  epoch: number;
  attempt: number;
  /** Of the state's vectors, hex. */
  sha256: string;
  at: string;
}

/** The corrections and confirmations a run knew as usable; `used`: it was trained on. */
export interface TrainingRunCorrectionsTable {
  run_id: string;
  correction_id: string;
  side: Side;
  used: 0 | 1;
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

/** Why a live shadow ended; `active-changed`: the same candidate goes on beside another adapter, as a new row. */
export type ShadowEnd =
  'replaced' | 'switched-off' | 'active-changed' | 'promoted' | 'incompatible' | 'deleted' | 'unusable' | 'failing';

/** A candidate beside what is active. At most one has not ended. */
export interface LiveShadowsTable {
  seq: Generated<number>;
  base_digest: string;
  candidate_id: string;
  candidate_version: string;
  candidate_digest: string;
  /** null: the base model. */
  against_id: string | null;
  against_version: string | null;
  against_digest: string | null;
  /** The share of pairs that it judges too. */
  rate: number;
  actor: string;
  since: string;
  ended_at: string | null;
  ended_because: ShadowEnd | null;
  /** Sampled pairs for which there was no room, and those it gave no answer to. */
  dropped: number;
  failed: number;
}

/** Pairs by what both said. */
export interface LiveShadowCountsTable {
  shadow_seq: number;
  active_label: Label;
  candidate_label: Label;
  pairs: number;
}

/** What the candidate said of a judgement instead. */
export interface ShadowDisagreementsTable {
  prediction_seq: number;
  shadow_seq: number;
  /** That of the judgement. */
  active_margin: number;
  candidate_label: Label;
  candidate_confidence: number;
  /** JSON object: wire label → score. */
  candidate_scores: string;
}

/** An erasure of texts; `subject` is a page's id or the SHA-256 of a normalised pair. */
export interface ErasuresTable {
  seq: Generated<number>;
  /** UUIDv7. */
  id: string;
  kind: 'page' | 'pair';
  subject: string;
  reason: string;
  /** The API key that asked. */
  actor: string | null;
  predictions: number;
  texts: number;
  answers: number;
  flips: number;
  started_at: string;
  /** Null: it goes on when it is asked for again. */
  ended_at: string | null;
}

export interface ErasedCorrectionsTable {
  erasure_id: string;
  correction_id: string;
}

/** An API key: what is needed to know it again, never the key itself. */
export interface ApiKeysTable {
  id: string;
  role: Role;
  /** For people. */
  name: string | null;
  sha256: Uint8Array;
  /** The key before the rotation, and how long it still opens. */
  previous_sha256: Uint8Array | null;
  previous_until: string | null;
  created_at: string;
  rotated_at: string | null;
  revoked_at: string | null;
}

/** One act. The database refuses to change or remove it. */
export interface AuditLogTable {
  /** 1, 2, 3 … without a gap. */
  seq: number;
  at: string;
  actor: string;
  role: Actor['role'];
  act: string;
  subject_type: string;
  subject_id: string | null;
  /** JSON object: ids and counts, no texts. */
  detail: string;
  /** SHA-256 (hex) over the hash of the row before and this row. */
  hash: string;
}

/** The last row of the audit log, in one row that moves with it: without it a log cut short would look whole. */
export interface AuditHeadTable {
  one: Generated<number>;
  seq: number;
  hash: string;
}

export type EventType =
  'run.ended' | 'comparison.ready' | 'adapter.promoted' | 'adapter.rolled_back' | 'corrections.threshold_reached';

/** What happened and is to be told. */
export interface WebhookEventsTable {
  seq: Generated<number>;
  /** The `webhook-id` of every delivery. */
  id: string;
  type: EventType;
  /** JSON. */
  data: string;
  at: string;
  /** 1: it has its deliveries. */
  spread: 0 | 1;
}

export type DeliveryState = 'pending' | 'delivered' | 'failed';

/** An event on its way to one target. */
export interface WebhookDeliveriesTable {
  seq: Generated<number>;
  id: string;
  event_id: string;
  /** The target's id in the configuration. */
  target: string;
  state: DeliveryState;
  attempts: number;
  /** Null when it has ended. */
  next_at: string | null;
  /** From then on a failed attempt is the last. */
  give_up_at: string;
  last_at: string | null;
  last_status: number | null;
  last_error: string | null;
  created_at: string;
  ended_at: string | null;
}

export interface Schema {
  api_keys: ApiKeysTable;
  audit_log: AuditLogTable;
  audit_head: AuditHeadTable;
  webhook_events: WebhookEventsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  erasures: ErasuresTable;
  erased_corrections: ErasedCorrectionsTable;
  adapters: AdaptersTable;
  adapter_alias: AdapterAliasTable;
  texts: TextsTable;
  revisions: RevisionsTable;
  predictions: PredictionsTable;
  nli_corrections: NliCorrectionsTable;
  nli_correction_history: NliCorrectionHistoryTable;
  idempotency_keys: IdempotencyKeysTable;
  page_sides: PageSidesTable;
  training_runs: TrainingRunsTable;
  training_run_events: TrainingRunEventsTable;
  training_run_checkpoints: TrainingRunCheckpointsTable;
  training_run_corrections: TrainingRunCorrectionsTable;
  shadow_comparisons: ShadowComparisonsTable;
  live_shadows: LiveShadowsTable;
  live_shadow_counts: LiveShadowCountsTable;
  shadow_disagreements: ShadowDisagreementsTable;
}
