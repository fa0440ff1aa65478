/** The use case behind POST /nli: pairs → what is known of them, or text → engine → labels → record → answers. */
import type { AdapterRef } from '../db/prediction-rows.js';
import { Problem } from '../errors.js';
import type { JudgeParts, Shadowed } from './parts.js';
import { type Made, recorded } from './record.js';
import type { Outcome } from './rows.js';
import { judgeUnknown } from './unknown.js';
import { type Judgement, judgement, type JudgePair, troubled } from './judgement.js';
import { LIMITS } from '../limits.js';
import { TokenEstimate } from './token-estimate.js';

export type { AdapterRef };

export interface JudgeAnswer {
  readonly model: string;
  readonly adapter: AdapterRef | null;
  readonly results: Judgement[];
}

export interface JudgeRequest {
  readonly pairs: readonly JudgePair[];
  /** `active`, `base`, a version or an id. */
  readonly adapter: string;
  /** The API key that asks; null while the service is open. */
  readonly key_id?: string | null;
  readonly signal?: AbortSignal;
  /** In the clock of `monotonic`; by default what JudgeParts says, from now. */
  readonly deadline?: number;
}

export interface Admission {
  /** Throws Problem 'queue-full' when a request with a body of so many bytes could not be done in time as things stand. */
  refuseHopeless(bytes: number, deadline: number): void;
}

export interface Judge {
  /**
   * Judges every pair by the one adapter that `request.adapter` names now; results in the order of the pairs.
   * A pair's own trouble is its result's `error`. Rejects with a Problem for what concerns the whole request.
   */
  judge(request: JudgeRequest): Promise<JudgeAnswer>;
}

/** A body is read, and then weighed exactly, rather than refused for more tokens than this by its size alone. */
const GUESSED_TOKENS = 4096;

export function createJudge(parts: JudgeParts): Judge & Admission {
  const estimate = new TokenEstimate();
  return {
    judge: (request) => judge({ ...parts, estimate }, request),
    refuseHopeless(bytes, deadline) {
      const tokens = Math.min(estimate.of(bytes), GUESSED_TOKENS);
      parts.engine.reserve({ pairs: 1, tokens, deadline })();
    },
  };
}

type Parts = JudgeParts & { readonly estimate: TokenEstimate };

async function judge(parts: Parts, request: JudgeRequest): Promise<JudgeAnswer> {
  const start = parts.clock.monotonic();
  const { pairs, signal } = request;
  refuseTooMany(pairs.length, parts.maxPairs ?? LIMITS.pairs_per_request);
  const deadline = request.deadline ?? start + parts.deadlineMs;
  const adapter = await resolveAdapter(parts, request.adapter);
  const shadow = shadowOf(parts, request, adapter);
  const asked = { pairs, adapter, deadline, signal, shadow };
  const { outcomes, shadowed, run } = await judgeUnknown(parts, parts.cache, asked);
  const results = pairs.map(({ pair_id }, at) => resultOf(parts, pair_id, outcomes[at] as Outcome));
  const made = madeOf(parts, request, adapter, start);
  const leftMs = deadline - parts.clock.monotonic();
  const told = await recorded(parts.record, { pairs, results, made, newId: parts.newId, leftMs });
  shadowed?.answered(run.map((at) => told[at] as Judgement));
  return { model: parts.model.name, adapter, results: told };
}

/** Who asks for an adapter by its name compares by himself. */
const shadowOf =
  (parts: Parts, { adapter: name }: JudgeRequest, adapter: AdapterRef | null) =>
  (rows: number): Shadowed | null =>
    name === 'active' ? (parts.shadow?.take(adapter, rows) ?? null) : null;

function resultOf({ labels }: Parts, pair_id: string, outcome: Outcome): Judgement {
  if (!('logits' in outcome)) return troubled(pair_id, outcome.detail, false);
  return judgement(labels, pair_id, outcome.logits, outcome.truncated);
}

function madeOf(
  { model, clock }: Parts,
  { key_id = null }: JudgeRequest,
  adapter: AdapterRef | null,
  start: number,
): Made {
  const created_at = new Date(clock.now()).toISOString();
  const latency_ms = clock.monotonic() - start;
  return { model: model.name, model_digest: model.digest, adapter, created_at, latency_ms, key_id };
}

function refuseTooMany(count: number, limit: number): void {
  if (count <= limit) return;
  const detail = `has ${count} pairs, at most ${limit} are taken in one request`;
  throw new Problem('too-large', `/pairs ${detail}`, { errors: [{ pointer: '/pairs', detail }] });
}

async function resolveAdapter(parts: Parts, name: string): Promise<AdapterRef | null> {
  if (name === 'base') return null;
  const adapter = await parts.adapters.resolve(name);
  if (adapter !== undefined) return adapter;
  const detail = 'names no adapter of this service: give "active", "base", a version or an id';
  throw new Problem('unprocessable', `/adapter ${detail}`, { errors: [{ pointer: '/adapter', detail }] });
}
