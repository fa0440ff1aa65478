/** The use case behind POST /erasures: a page's or a pair's texts leave the database and its file for good. */
import type { Database } from './db/database.js';
import { type ErasureTarget, pairTarget, textsOfCorrection, textsOfPrediction } from './db/erasure-target.js';
import type { TaughtRun } from './db/erasures.js';
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
/** Answers and reports hold up to 500 pairs each. */
const COPIES_PER_UNIT = 10;

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
  for (let more = true; more;) {
    more = await database.run('eraseSome', { erasure_id: id, limit: ROWS_PER_UNIT, target });
    failpoint('erasure.part.committed');
  }
  await eraseCopies(parts, id);
  await database.rewrite();
  failpoint('erasure.rewritten');
  const { row, correction_ids, runs } = await database.run('endErasure', { id, at: at() });
  failpoint('erasure.committed');
  const { kind, predictions, texts, answers, flips, started_at, ended_at } = row;
  const removed = { predictions, corrections: correction_ids.length, texts, answers, flips };
  return { id, kind, removed, correction_ids, trained_on: runs, started_at, ended_at };
}

/** Once, after all rows: each answer and report is looked at for all of them together. */
async function eraseCopies({ database }: EraseParts, erasure_id: string): Promise<void> {
  for (const unit of ['eraseAnswers', 'eraseFlips'] as const)
    for (let after: number | null = 0; after !== null;) {
      after = await database.run(unit, { erasure_id, after, limit: COPIES_PER_UNIT });
      failpoint('erasure.copies.committed');
    }
}

async function targetOf({ database: { kysely } }: EraseParts, request: ErasureRequest): Promise<ErasureTarget> {
  const { page_id, premise, nli_hypothesis, prediction_id, correction_id } = request;
  const named = [page_id, premise ?? nli_hypothesis, prediction_id, correction_id].filter((one) => one !== undefined);
  if (named.length !== 1 || (premise === undefined) !== (nli_hypothesis === undefined)) throw oneSubject();
  if (page_id !== undefined) return { kind: 'page', page_id };
  if (premise !== undefined && nli_hypothesis !== undefined) return pairTarget(kysely, { premise, nli_hypothesis });
  const texts =
    prediction_id === undefined
      ? await textsOfCorrection(kysely, correction_id ?? '')
      : await textsOfPrediction(kysely, prediction_id);
  if (texts === undefined) throw new Problem('not-found', 'there is no judgement and no correction of this id');
  return pairTarget(kysely, texts);
}

function oneSubject(): Problem {
  const detail = 'names one subject: page_id, premise with nli_hypothesis, prediction_id or correction_id';
  return new Problem('invalid-request', `the request ${detail}`, { errors: [{ pointer: '', detail }] });
}
