/** Answers kept for requests that may come again under the same Idempotency-Key. */
import type { Kysely } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Schema } from './schema.js';

export interface IdempotentRequest {
  readonly key: string;
  readonly route: string;
  /** The API key that asks; empty while the service is open. */
  readonly key_id: string;
  readonly body_sha256: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
}

const KEPT_MS = 24 * 60 * 60 * 1000;

const oldest = (at: string): string => new Date(Date.parse(at) - KEPT_MS).toISOString();

/** The answer that was given to this request, undefined when there is none. Throws 'unprocessable' for another body. */
export async function findAnswer(db: Kysely<Schema>, request: IdempotentRequest): Promise<unknown> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['body_sha256', 'answer'])
    .where('key', '=', request.key)
    .where('route', '=', request.route)
    .where('key_id', '=', request.key_id)
    .where('created_at', '>', oldest(request.at))
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (row.body_sha256 === request.body_sha256) return JSON.parse(row.answer);
  throw new Problem('unprocessable', 'this Idempotency-Key came with another body before', {
    errors: [{ pointer: 'idempotency-key', detail: 'came with another body within the last 24 hours' }],
  });
}

/** To be called in the unit that did what was asked, so that the one is never on disk without the other. */
export async function rememberAnswer(db: Kysely<Schema>, request: IdempotentRequest, answer: unknown): Promise<void> {
  const { at, ...identity } = request;
  await db.deleteFrom('idempotency_keys').where('created_at', '<=', oldest(at)).execute();
  await db
    .insertInto('idempotency_keys')
    .values({ ...identity, answer: JSON.stringify(answer), created_at: at })
    .execute();
  failpoint('corrections.answer.kept');
}
