/** The use case behind POST /corrections: what reviewers say becomes rows, linked to the judgements they are of. */
import type { Database } from '../db/database.js';
import { type CorrectionInput, formOf, inputFault, itemError } from '../db/correction-input.js';
import { findJudgements, judgementOf } from '../db/correction-lookup.js';
import type { Correction, ItemError } from '../db/correction-rows.js';
import { findAnswer, type IdempotentRequest } from '../db/idempotency.js';
import type { Draft, Original } from '../db/correction-draft.js';
import type { Outcome } from '../db/correction-ledger.js';
import type { StoreResult } from '../db/store-corrections.js';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Judge, JudgeAnswer } from '../judge/judge.js';
import type { Judgement } from '../judge/judgement.js';
import { LIMITS, UNNAMED_PAIR } from '../limits.js';
import type { Actor, Sender } from '../roles.js';

export type { CorrectionInput } from '../db/correction-input.js';
export type { Correction, ItemError } from '../db/correction-rows.js';

/** A correction as the wire's schema read it, or what the schema found wrong with it. */
export type Item = CorrectionInput | { readonly error: ItemError };

export interface CorrectRequest {
  readonly items: readonly Item[];
  /** Who asks; a key is the reviewer. */
  readonly sender: Sender;
  readonly idempotency?: { readonly key: string; readonly body_sha256: string } | undefined;
  readonly signal?: AbortSignal;
}

export type CorrectResult = { readonly index: number } & (
  { readonly correction: Correction; readonly error: null } | { readonly correction: null; readonly error: ItemError }
);

/** What an import learns of each line. */
export type Stored = { readonly outcome: Outcome } | { readonly error: ItemError };

export interface Corrections {
  /** Stores what can be stored; one result for each item, in order. Rejects for what concerns the whole request. */
  correct(request: CorrectRequest): Promise<CorrectResult[]>;
  /** The same without rows in the answer, for many. */
  store(items: readonly Item[], sender: Sender): Promise<Stored[]>;
  /** Rejects with Problem 'not-found', or 'conflict' when a later answer has replaced it. */
  withdraw(id: string, by: Actor): Promise<Correction>;
  /** `callback` is called after each commit that stored or replaced a correction. */
  onStored(callback: () => void): void;
}

export interface CorrectionsParts {
  readonly database: Pick<Database, 'kysely' | 'run'>;
  readonly judge: Judge;
  /** The digest of the base model that judges. */
  readonly modelDigest: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly newId: () => string;
}

const ROUTE = 'POST /corrections';

export function createCorrections(parts: CorrectionsParts): Corrections {
  const callbacks: (() => void)[] = [];
  const inFlight = new Set<string>();
  const tell = (results: readonly StoreResult[]): void => {
    if (results.some((one) => 'outcome' in one && one.outcome !== 'unchanged')) for (const call of callbacks) call();
  };
  return {
    async correct({ items, sender, idempotency, signal }) {
      const { key_id } = sender;
      const request =
        idempotency === undefined ? null : { ...idempotency, route: ROUTE, key_id: key_id ?? '', at: timeOf(parts) };
      const results = await once(parts, inFlight, request, async () => {
        const stored = await store(parts, items, { sender, request, rows: true, signal });
        failpoint('corrections.committed');
        tell(stored);
        return stored;
      });
      return results.map(toResult);
    },
    async store(items, sender) {
      const results = await store(parts, items, { sender, request: null, rows: false, signal: undefined });
      tell(results);
      return results;
    },
    async withdraw(id, by) {
      const withdrawn = await parts.database.run('withdrawCorrection', { id, at: timeOf(parts), by });
      failpoint('withdrawal.committed');
      return withdrawn;
    },
    onStored(callback) {
      callbacks.push(callback);
    },
  };
}

const timeOf = ({ now }: CorrectionsParts): string => new Date(now()).toISOString();

function toResult(result: StoreResult, index: number): CorrectResult {
  if ('error' in result) return { index, correction: null, error: result.error };
  if (result.correction === null) throw new Error('a stored correction came back without its row');
  return { index, correction: result.correction, error: null };
}

/**
 * Does the work, or answers what it answered before. Work that is under way is known to this process alone: one that dies
 * has stored nothing, for rows and answer are one commit, and may be asked again.
 */
async function once(
  { database }: CorrectionsParts,
  inFlight: Set<string>,
  request: IdempotentRequest | null,
  work: () => Promise<StoreResult[]>,
): Promise<StoreResult[]> {
  if (request === null) return await work();
  const name = JSON.stringify([request.route, request.key_id, request.key]);
  if (inFlight.has(name)) throw new Problem('conflict', 'a request with this Idempotency-Key is under way');
  inFlight.add(name);
  try {
    const before = await findAnswer(database.kysely, request);
    return before === undefined ? await work() : (before as StoreResult[]);
  } finally {
    inFlight.delete(name);
  }
}

interface StoreOptions {
  readonly sender: Sender;
  readonly request: IdempotentRequest | null;
  readonly rows: boolean;
  readonly signal: AbortSignal | undefined;
}

async function store(parts: CorrectionsParts, items: readonly Item[], options: StoreOptions): Promise<StoreResult[]> {
  const checked = items.map((item): Item => {
    const error = 'error' in item ? item.error : inputFault(item, parts.now());
    return error === null ? item : { error };
  });
  const judged = await judgeUnknown(parts, checked, options);
  const created_at = timeOf(parts);
  const drafts = checked.map((item, index): Draft | { readonly error: ItemError } => {
    if ('error' in item) return item;
    const original = judged.get(index) ?? null;
    if (original !== null && 'error' in original) return original;
    return { id: parts.newId(), created_at, input: item, judged: original };
  });
  const { sender, request, rows } = options;
  return await parts.database.run('storeCorrections', { items: drafts, ...sender, request, rows, at: created_at });
}

type Judged = Map<number, Original | { readonly error: ItemError }>;

/** Items in full that no judgement is known of and that claim none, judged by the active adapter. */
async function judgeUnknown(
  parts: CorrectionsParts,
  items: readonly Item[],
  options: Pick<StoreOptions, 'sender' | 'signal'>,
): Promise<Judged> {
  const inputs = items.filter((item): item is CorrectionInput => !('error' in item));
  const unclaimed = inputs.filter((input) => formOf(input) === 'full' && input.original_label === undefined);
  if (unclaimed.length === 0) return new Map();
  const known = await findJudgements(parts.database.kysely, unclaimed);
  const unknown = new Set(unclaimed.filter((input) => judgementOf(known, input) === undefined));
  const indexed = items.flatMap((item, index) =>
    !('error' in item) && unknown.has(item) ? [[index, item] as const] : [],
  );
  const judged: Judged = new Map();
  for (let from = 0; from < indexed.length; from += LIMITS.pairs_per_request)
    await judgeSome(parts, indexed.slice(from, from + LIMITS.pairs_per_request), judged, options);
  return judged;
}

async function judgeSome(
  { judge, modelDigest }: CorrectionsParts,
  inputs: readonly (readonly [number, CorrectionInput])[],
  judged: Judged,
  { sender, signal }: Pick<StoreOptions, 'sender' | 'signal'>,
): Promise<void> {
  const pairs = inputs.map(([, { pair_id, premise = '', nli_hypothesis = '', page_id }]) => ({
    pair_id: pair_id ?? UNNAMED_PAIR,
    premise,
    nli_hypothesis,
    page_id: page_id ?? null,
  }));
  const answer = await judge.judge({
    pairs,
    adapter: 'active',
    key_id: sender.key_id,
    ...(signal && { signal }),
  });
  for (const [at, [index]] of inputs.entries()) {
    const result = answer.results[at];
    if (result === undefined) throw new Error(`the judge answered ${answer.results.length} of ${pairs.length} pairs`);
    judged.set(index, originalOf(result, answer, modelDigest));
  }
}

function originalOf(
  result: Judgement,
  { adapter }: JudgeAnswer,
  model_digest: string,
): Original | { readonly error: ItemError } {
  if (result.error !== null)
    return { error: itemError('unprocessable', '', `the pair could not be judged: ${result.error}`) };
  const { prediction_id, label, confidence, raw_label } = result;
  return { prediction_id, label, confidence, raw_label, model_digest, adapter_digest: adapter?.digest ?? null };
}
