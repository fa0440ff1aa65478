/** The unit of work that stores corrections: links, replaces, tells what was there, and remembers the answer. */
import type { Kysely } from 'kysely';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import { type Draft, reviewerOf, rowOf } from './correction-draft.js';
import { contentDigest } from './correction-input.js';
import { Ledger, type Outcome, type Step } from './correction-ledger.js';
import { findCurrent, findJudgements, findRows, judgementOf } from './correction-lookup.js';
import { type Correction, type CorrectionRow, type ItemError, toCorrections } from './correction-rows.js';
import { findAnswer, rememberAnswer, type IdempotentRequest } from './idempotency.js';
import type { Schema } from './schema.js';
import { MIN_CONFIDENCE } from './usability.js';

export interface StoreInput {
  /** Errors pass through, so that the answer has all in one order. */
  readonly items: readonly (Draft | { readonly error: ItemError })[];
  readonly key_id: string | null;
  readonly request: IdempotentRequest | null;
  /** Whether rows are answered, and each is an act of its own; an import is one act and needs but their number. */
  readonly rows: boolean;
  /** Who stores; the service itself by default. */
  readonly by?: Actor;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
}

export type StoreResult =
  | { readonly outcome: Outcome; readonly id: string; readonly correction: Correction | null }
  | { readonly error: ItemError };

interface Resolved {
  readonly draft: Draft;
  readonly row: CorrectionRow | ItemError;
}

const isDraft = (item: StoreInput['items'][number]): item is Draft => 'input' in item;
const isRow = (row: CorrectionRow | ItemError): row is CorrectionRow => 'id' in row;

async function resolve(db: Kysely<Schema>, drafts: readonly Draft[], key_id: string | null): Promise<Resolved[]> {
  const inputs = drafts.map(({ input }) => input);
  const found = await findJudgements(db, inputs);
  const unknown = inputs.filter((input) => input.id === undefined && !found.byId.has(input.prediction_id ?? ''));
  const corrections = await findRows(
    db,
    'id',
    unknown.map(({ prediction_id }) => prediction_id),
  );
  return drafts.map((draft) => {
    const isCorrection = corrections.has(draft.input.prediction_id ?? '');
    return { draft, row: rowOf(draft, judgementOf(found, draft.input), isCorrection, key_id) };
  });
}

async function openLedger(db: Kysely<Schema>, resolved: readonly Resolved[], at: string): Promise<Ledger> {
  const inputs = resolved.map(({ draft }) => draft.input);
  const rows = resolved.map(({ row }) => row).filter(isRow);
  const unlinked = rows.filter(({ prediction_id }) => prediction_id === null);
  const current = await findCurrent(
    db,
    rows.map(({ prediction_id }) => prediction_id),
    unlinked.map(({ pair_sha256 }) => pair_sha256),
  );
  const byExternalId = await findRows(
    db,
    'external_id',
    inputs.map(({ external_id }) => external_id),
  );
  const byId = await findRows(
    db,
    'id',
    inputs.map(({ id }) => id),
  );
  return new Ledger({ current, byExternalId, byId }, at);
}

/** A correction that comes again is answered by its row even when the judgement it was of is forgotten since. */
function step(ledger: Ledger, { draft: { input }, row }: Resolved, key_id: string | null): Step {
  const content = contentDigest(input, reviewerOf(input, key_id));
  const before = ledger.sentBefore(input.external_id, content);
  // A row of an export is compared by its id, as a whole.
  if (before !== null && !('row' in before && before.row.id === input.id)) return before;
  return isRow(row) ? ledger.put(row, input.created_at !== undefined) : { error: row };
}

async function answer(
  db: Kysely<Schema>,
  ledger: Ledger,
  steps: readonly Step[],
  rows: boolean,
): Promise<StoreResult[]> {
  const kept = steps.flatMap((one) => ('row' in one ? [ledger.latest(one.row)] : []));
  const corrections = rows ? await toCorrections(db, kept, MIN_CONFIDENCE) : [];
  let next = 0;
  return steps.map((one) => {
    if ('error' in one) return one;
    const correction = corrections[next++] ?? null;
    return { outcome: one.outcome, id: one.row.id, correction };
  });
}

const ACTS = { stored: 'correction.create', replaced: 'correction.replace', unchanged: null } as const;

/** One act for each correction that was stored, or one for an import that stored any. */
function actsOf({ rows, by = SERVICE, at }: StoreInput, results: readonly StoreResult[]): AuditEntry[] {
  const entry = { ...by, at, subject_type: 'correction' } as const;
  const stored = results.flatMap((result) => ('outcome' in result && result.outcome !== 'unchanged' ? [result] : []));
  const count = (outcome: Outcome): number => stored.filter((one) => one.outcome === outcome).length;
  const detail = { stored: count('stored'), replaced: count('replaced') };
  if (!rows) return stored.length === 0 ? [] : [{ ...entry, act: 'correction.import', subject_id: null, detail }];
  return stored.flatMap(({ id, outcome }) => {
    const act = ACTS[outcome];
    return act === null ? [] : [{ ...entry, act, subject_id: id, detail: {} }];
  });
}

/**
 * Stores what is new, replaces what the same reviewer said before of the same judgement, and answers in the order of the
 * items. An item's own trouble is its error and keeps nothing else from being stored. A request that another process has
 * answered meanwhile is answered the same. Throws Problem 'unprocessable' for its key with another body.
 */
export async function storeCorrections(db: Kysely<Schema>, input: StoreInput): Promise<StoreResult[]> {
  const { items, key_id, request, rows, at } = input;
  const before = request === null ? undefined : await findAnswer(db, request);
  if (before !== undefined) return before as StoreResult[];
  const resolved = await resolve(db, items.filter(isDraft), key_id);
  const ledger = await openLedger(db, resolved, at);
  const steps = resolved.map((one) => step(ledger, one, key_id));
  await ledger.write(db);
  failpoint('corrections.written');
  let next = 0;
  const all = items.map((item): Step => (isDraft(item) ? (steps[next++] as Step) : item));
  const results = await answer(db, ledger, all, rows);
  await appendAudit(db, ...actsOf(input, results));
  failpoint('corrections.audited');
  const done = results.some((result) => 'outcome' in result);
  if (request !== null && done) await rememberAnswer(db, request, results);
  return results;
}
