/** The unit of work that stores corrections: links, replaces, tells what was there, and remembers the answer. */
import type { Kysely } from 'kysely';
import type { Label } from '../labels.js';
import { contentDigest, type CorrectionInput, formOf, type Form, itemError } from './correction-input.js';
import { findCurrent, findJudgements, findRows, judgementOf, type Found } from './correction-lookup.js';
import {
  type Correction,
  type CorrectionRow,
  type EndedCorrectionRow,
  type ItemError,
  toCorrections,
} from './correction-rows.js';
import { rememberAnswer, type IdempotentRequest } from './idempotency.js';
import { pairKey } from './pair-key.js';
import type { PredictionRow } from './prediction-rows.js';
import type { ConfidenceSource, Schema } from './schema.js';
import { MIN_CONFIDENCE } from './usability.js';

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

export interface StoreInput {
  /** Errors pass through, so that the answer has all in one order. */
  readonly items: readonly (Draft | { readonly error: ItemError })[];
  readonly key_id: string | null;
  readonly request: IdempotentRequest | null;
  /** Whether rows are answered; an import needs but their number. */
  readonly rows: boolean;
}

export type Outcome = 'stored' | 'replaced' | 'unchanged';

export type StoreResult =
  | { readonly outcome: Outcome; readonly id: string; readonly correction: Correction | null }
  | { readonly error: ItemError };

type Row = CorrectionRow | EndedCorrectionRow;
type Step = { readonly outcome: Outcome; readonly row: Row } | { readonly error: ItemError };

const reviewerOf = ({ input }: Draft, key_id: string | null): string => key_id ?? input.reviewer ?? 'anonymous';

function missing(form: Form, found: Found, ofCorrection: boolean): ItemError | null {
  if (found === 'several')
    return itemError('conflict', '/pair_id', 'names judgements of different texts: correct by prediction_id');
  if (found !== undefined || form === 'full' || form === 'restored') return null;
  if (form === 'pair_id') return itemError('unprocessable', '/pair_id', 'names no recorded judgement');
  const detail = ofCorrection
    ? 'names a correction: correct the judgement again, the later answer of a reviewer replaces the earlier'
    : 'names no recorded judgement: it never was, or was forgotten; send the correction in full';
  return itemError('unprocessable', '/prediction_id', detail);
}

function recorded(row: PredictionRow): Original {
  const { id, label, confidence, raw_label, model_digest, adapter_digest } = row;
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

function rowOf(
  draft: Draft,
  { original, source }: Known,
  record: PredictionRow | undefined,
  key_id: string | null,
): CorrectionRow {
  const { input } = draft;
  const premise = input.premise ?? record?.premise ?? '';
  const nli_hypothesis = input.nli_hypothesis ?? record?.nli_hypothesis ?? '';
  const reviewer = formOf(input) === 'restored' ? (input.reviewer ?? 'anonymous') : reviewerOf(draft, key_id);
  return {
    id: input.id ?? draft.id,
    external_id: input.external_id ?? null,
    prediction_id: original.prediction_id,
    pair_id: input.pair_id ?? record?.pair_id ?? null,
    edge_id: input.edge_id ?? null,
    page_id: input.page_id ?? record?.page_id ?? null,
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
    created_at: input.created_at ?? draft.created_at,
  };
}

/** What one reviewer may say once: of a judgement, else of a pair on a page. */
function subjectOf({ prediction_id, pair_sha256, page_id, reviewer }: CorrectionRow): string {
  return JSON.stringify([prediction_id ?? [pair_sha256, page_id ?? ''], reviewer]);
}

/** The rows as they will be after the unit: looked at by each item, changed by each, written once. */
class Ledger {
  readonly #current: Map<string, CorrectionRow>;
  readonly #externals: Map<string, Row>;
  readonly #ids: Map<string, Row>;
  readonly #inserted = new Map<string, CorrectionRow>();
  readonly #ended: EndedCorrectionRow[] = [];
  readonly #now: string;

  constructor(current: readonly CorrectionRow[], externals: Map<string, Row>, ids: Map<string, Row>, now: string) {
    this.#current = new Map(current.map((row) => [subjectOf(row), row]));
    this.#externals = externals;
    this.#ids = ids;
    this.#now = now;
  }

  /** The row that was stored under the same id or external_id, or why this one cannot be. */
  repeated({ input }: Draft, content: string): Step | null {
    for (const [name, rows] of [
      ['external_id', this.#externals],
      ['id', this.#ids],
    ] as const) {
      const row = rows.get(input[name] ?? '');
      if (row === undefined) continue;
      if (row.content_sha256 === content) return { outcome: 'unchanged', row };
      return { error: itemError('conflict', `/${name}`, 'names a correction that was stored with other content') };
    }
    return null;
  }

  put(row: CorrectionRow): Step {
    const subject = subjectOf(row);
    const before = this.#current.get(subject);
    if (before?.content_sha256 === row.content_sha256 && row.external_id === null)
      return { outcome: 'unchanged', row: before };
    if (before !== undefined && before.created_at > row.created_at)
      return { error: itemError('conflict', '/created_at', 'is before the answer of this reviewer that is stored') };
    if (before !== undefined) this.#end(before);
    this.#current.set(subject, row);
    this.#inserted.set(row.id, row);
    this.#ids.set(row.id, row);
    if (row.external_id !== null) this.#externals.set(row.external_id, row);
    return { outcome: before === undefined ? 'stored' : 'replaced', row };
  }

  #end(row: CorrectionRow): void {
    const ended = { ...row, ended_at: this.#now, ended_by: 'replaced' } as const;
    this.#inserted.delete(row.id);
    this.#ended.push(ended);
    this.#ids.set(row.id, ended);
    if (row.external_id !== null) this.#externals.set(row.external_id, ended);
  }

  /** As it is after all items: a row of this very request may have been replaced by a later one. */
  latest(row: Row): Row {
    return this.#ids.get(row.id) ?? row;
  }

  async write(db: Kysely<Schema>): Promise<void> {
    const ids = this.#ended.map(({ id }) => id);
    if (ids.length > 0) await db.deleteFrom('nli_corrections').where('id', 'in', ids).execute();
    if (ids.length > 0) await db.insertInto('nli_correction_history').values(this.#ended).execute();
    const rows = [...this.#inserted.values()];
    if (rows.length > 0) await db.insertInto('nli_corrections').values(rows).execute();
  }
}

const isDraft = (item: StoreInput['items'][number]): item is Draft => 'input' in item;

interface Resolved {
  readonly draft: Draft;
  readonly row: CorrectionRow | null;
  readonly error: ItemError | null;
}

async function resolve(db: Kysely<Schema>, drafts: readonly Draft[], key_id: string | null): Promise<Resolved[]> {
  const found = await findJudgements(
    db,
    drafts.map(({ input }) => input),
  );
  const corrections = await findRows(
    db,
    'id',
    drafts.map(({ input }) => (found.byId.has(input.prediction_id ?? '') ? null : input.prediction_id)),
  );
  return drafts.map((draft) => {
    const record = judgementOf(found, draft.input);
    const form = formOf(draft.input);
    const error = missing(form, record, corrections.has(draft.input.prediction_id ?? ''));
    const judgement = record === 'several' ? undefined : record;
    const known = originalOf(draft, judgement);
    if (error !== null) return { draft, row: null, error };
    if (known === null)
      return {
        draft,
        row: null,
        error: itemError('unavailable', '', 'the judgement of this pair was just forgotten: send it again'),
      };
    return { draft, row: rowOf(draft, known, judgement, key_id), error: null };
  });
}

async function openLedger(db: Kysely<Schema>, resolved: readonly Resolved[], now: string): Promise<Ledger> {
  const rows = resolved.flatMap(({ row }) => row ?? []);
  const unlinked = rows.filter(({ prediction_id }) => prediction_id === null);
  const current = await findCurrent(
    db,
    rows.map(({ prediction_id }) => prediction_id),
    unlinked.map(({ pair_sha256 }) => pair_sha256),
  );
  const externals = await findRows(
    db,
    'external_id',
    resolved.map(({ draft }) => draft.input.external_id),
  );
  const ids = await findRows(
    db,
    'id',
    resolved.map(({ draft }) => draft.input.id),
  );
  return new Ledger(current, externals, ids, now);
}

/** A repeated correction is answered by its row even when the judgement it was of is forgotten since. */
function step(ledger: Ledger, { draft, row, error }: Resolved, key_id: string | null): Step {
  const reviewer =
    formOf(draft.input) === 'restored' ? (draft.input.reviewer ?? 'anonymous') : reviewerOf(draft, key_id);
  const repeated = ledger.repeated(draft, contentDigest(draft.input, reviewer));
  if (repeated !== null) return repeated;
  return row === null ? { error: error as ItemError } : ledger.put(row);
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

/**
 * Stores what is new, replaces what the same reviewer said before of the same judgement, and answers in the order of the
 * items. An item's own trouble is its error and keeps nothing else from being stored.
 */
export async function storeCorrections(
  db: Kysely<Schema>,
  { items, key_id, request, rows }: StoreInput,
): Promise<StoreResult[]> {
  const drafts = items.filter(isDraft);
  const resolved = await resolve(db, drafts, key_id);
  const now = drafts[0]?.created_at ?? '';
  const ledger = await openLedger(db, resolved, now);
  const steps = resolved.map((one) => step(ledger, one, key_id));
  await ledger.write(db);
  let next = 0;
  const all = items.map((item): Step => (isDraft(item) ? (steps[next++] as Step) : item));
  const results = await answer(db, ledger, all, rows);
  const done = results.some((result) => 'outcome' in result);
  if (request !== null && done) await rememberAnswer(db, request, results);
  return results;
}
