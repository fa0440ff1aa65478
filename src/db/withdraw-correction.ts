/** The unit of work that takes a correction back. */
import type { Kysely } from 'kysely';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit } from './audit.js';
import { type Correction, toCorrections } from './correction-rows.js';
import { findRows } from './correction-lookup.js';
import type { Schema } from './schema.js';
import { MIN_CONFIDENCE } from './usability.js';

export interface WithdrawInput {
  readonly id: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  /** Who takes it back; the service itself by default. */
  readonly by?: Actor;
}

/**
 * Moves the row into the history; a second time changes nothing. Throws 'not-found', and 'conflict' for a correction that
 * a later one has replaced.
 */
export async function withdrawCorrection(db: Kysely<Schema>, input: WithdrawInput): Promise<Correction> {
  const { id, at, by = SERVICE } = input;
  const row = (await findRows(db, 'id', [id])).get(id);
  if (row === undefined) throw new Problem('not-found', 'there is no correction of this id');
  const ended = 'ended_by' in row ? row : { ...row, ended_at: at, ended_by: 'withdrawn' as const };
  if (ended.ended_by === 'replaced')
    throw new Problem('conflict', 'a later answer of the same reviewer has replaced this correction');
  if (!('ended_by' in row)) {
    await db.deleteFrom('nli_corrections').where('id', '=', id).execute();
    failpoint('withdrawal.deleted');
    await db.insertInto('nli_correction_history').values(ended).execute();
    const act = { act: 'correction.withdraw', subject_type: 'correction', subject_id: id, detail: {} } as const;
    await appendAudit(db, { ...by, at, ...act });
    failpoint('withdrawal.written');
  }
  const [correction] = await toCorrections(db, [ended], MIN_CONFIDENCE);
  return correction as Correction;
}
