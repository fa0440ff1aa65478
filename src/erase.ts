/** The use case behind POST /erasures: a page's or a pair's texts leave the database and its file for good. */
import type { Database } from './db/database.js';
import type { ErasureTarget, TaughtRun } from './db/erasures.js';
import { normaliseText, pairKey } from './db/pair-key.js';
import { Problem } from './errors.js';
import { failpoint } from './failpoints.js';
import type { Actor } from './roles.js';

/** One of: a page, a pair by its texts, a pair by a judgement or a correction of it. */
export interface ErasureRequest {
  readonly page_id?: string;
  readonly premise?: string;
  readonly nli_hypothesis?: string;
  readonly prediction_id?: string;
  readonly correction_id?: string;
  readonly reason: string;
  /** Who asks. */
  readonly by: Actor;
}

export interface Erasure {
  readonly id: string;
  readonly kind: 'page' | 'pair';
  readonly removed: {
    readonly predictions: number;
    readonly corrections: number;
    /** Texts that nothing else uses; a premise that other pairs have too stays with them. */
    readonly texts: number;
    /** Answers kept for repeated requests. */
    readonly answers: number;
    /** Pairs shown in reports of comparisons, now without their texts. */
    readonly flips: number;
  };
  readonly correction_ids: readonly string[];
  /** Training runs that learnt from these corrections, with the adapters they made: those still know. */
  readonly trained_on: readonly TaughtRun[];
  readonly started_at: string;
  readonly ended_at: string | null;
}

export interface EraseParts {
  readonly database: Pick<Database, 'run' | 'kysely' | 'rewrite'>;
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** About 10 ms of the writer's time. */
const ROWS_PER_UNIT = 200;
const TEXTS_PER_READ = 500;

/**
 * Resolves when neither the rows nor the file hold the texts any more. Cut short, it goes on where it was when it is asked
 * for again. Rejects with Problem 'invalid-request' unless one subject is named, 'not-found' for an unknown judgement or
 * correction, 'storage-failed'.
 */
export async function erase(parts: EraseParts, request: ErasureRequest): Promise<Erasure> {
  const { database, newId, now } = parts;
  const target = await targetOf(parts, request);
  const at = (): string => new Date(now()).toISOString();
  const { reason, by } = request;
  const subject = target.kind === 'page' ? target.page_id : target.pair_sha256;
  const begun = { id: newId(), kind: target.kind, subject, reason, by, started_at: at() };
  const { id } = await database.run('beginErasure', begun);
  while (await database.run('eraseSome', { erasure_id: id, limit: ROWS_PER_UNIT, target }))
    failpoint('erasure.part.committed');
  await database.rewrite();
  failpoint('erasure.rewritten');
  const { row, correction_ids, runs } = await database.run('endErasure', { id, at: at() });
  failpoint('erasure.committed');
  const { kind, predictions, texts, answers, flips, started_at, ended_at } = row;
  const removed = { predictions, corrections: correction_ids.length, texts, answers, flips };
  return { id, kind, removed, correction_ids, trained_on: runs, started_at, ended_at };
}

async function targetOf({ database }: EraseParts, request: ErasureRequest): Promise<ErasureTarget> {
  const { page_id, premise, nli_hypothesis, prediction_id, correction_id } = request;
  const named = [page_id, premise ?? nli_hypothesis, prediction_id, correction_id].filter((one) => one !== undefined);
  if (named.length !== 1 || (premise === undefined) !== (nli_hypothesis === undefined)) throw oneSubject();
  if (page_id !== undefined) return { kind: 'page', page_id };
  if (premise !== undefined && nli_hypothesis !== undefined) return pairTarget(database, { premise, nli_hypothesis });
  return pairTarget(database, await textsOf(database, { prediction_id, correction_id }));
}

function oneSubject(): Problem {
  const detail = 'names one subject: page_id, premise with nli_hypothesis, prediction_id or correction_id';
  return new Problem('invalid-request', `the request ${detail}`, { errors: [{ pointer: '', detail }] });
}

interface PairTexts {
  readonly premise: string;
  readonly nli_hypothesis: string;
}

type ById = Pick<ErasureRequest, 'prediction_id' | 'correction_id'>;

/** A judgement may be forgotten already while a correction of it is still there. */
async function textsOf(
  { kysely }: EraseParts['database'],
  { prediction_id, correction_id }: Partial<Record<keyof ById, string | undefined>>,
): Promise<PairTexts> {
  const judgement =
    prediction_id === undefined
      ? undefined
      : await kysely
          .selectFrom('predictions')
          .innerJoin('texts as premises', 'premises.id', 'premise_id')
          .innerJoin('texts as hypotheses', 'hypotheses.id', 'hypothesis_id')
          .select(['premises.text as premise', 'hypotheses.text as nli_hypothesis'])
          .where('predictions.id', '=', prediction_id)
          .executeTakeFirst();
  if (judgement !== undefined) return judgement;
  for (const table of ['nli_corrections', 'nli_correction_history'] as const) {
    const row = await kysely
      .selectFrom(table as 'nli_corrections')
      .select(['premise', 'nli_hypothesis'])
      .where(prediction_id === undefined ? 'id' : 'prediction_id', '=', prediction_id ?? correction_id ?? '')
      .executeTakeFirst();
    if (row !== undefined) return row;
  }
  throw new Problem('not-found', 'there is no judgement and no correction of this id');
}

/** Every text that differs from the pair's in case or white space only is the pair's too. */
async function pairTarget(
  { kysely }: EraseParts['database'],
  { premise, nli_hypothesis }: PairTexts,
): Promise<ErasureTarget> {
  const sought = { premise: normaliseText(premise), hypothesis: normaliseText(nli_hypothesis) };
  const premise_ids: number[] = [];
  const hypothesis_ids: number[] = [];
  for await (const { id, text } of kysely.selectFrom('texts').select(['id', 'text']).stream(TEXTS_PER_READ)) {
    const normalised = normaliseText(text);
    if (normalised === sought.premise) premise_ids.push(id);
    if (normalised === sought.hypothesis) hypothesis_ids.push(id);
  }
  return { kind: 'pair', pair_sha256: pairKey(premise, nli_hypothesis), premise_ids, hypothesis_ids };
}
