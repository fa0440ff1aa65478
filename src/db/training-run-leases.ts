/**
 * Who runs a training run: a process that holds its lease and says so again and again. A run whose lease has run out is
 * claimed by the next who looks. Each is a unit of work, so that of two who claim at once one finds the other's lease.
 */
import type { Kysely, Selectable } from 'kysely';
import { failpoint } from '../failpoints.js';
import type { Schema, TrainingRunsTable } from './schema.js';
import { change, type Fence, holds } from './training-run-acts.js';
import { addEvents, audited } from './training-run-events.js';

export interface Lease {
  /** The process, by a name of its own. */
  readonly owner: string;
  readonly lease_until: string;
}

export interface ClaimInput {
  /** What the claimer can run. */
  readonly base_digest: string;
  readonly at: string;
  readonly lease: Lease;
}

export type Claim =
  | { readonly kind: 'claimed'; readonly fence: Fence }
  /** Another process runs one of this base model, and holds its lease until then at least. */
  | { readonly kind: 'leased'; readonly until: string }
  | { readonly kind: 'none' };

/** What a run has died of so often without an epoch of progress, it will die of again. */
export const MOST_CRASHES = 3;

type Row = Pick<
  Selectable<TrainingRunsTable>,
  'id' | 'base_digest' | 'attempt' | 'crashes' | 'started_at' | 'lease_owner' | 'lease_until'
>;

const selectRows = (db: Kysely<Schema>) =>
  db
    .selectFrom('training_runs')
    .select(['id', 'base_digest', 'attempt', 'crashes', 'started_at', 'lease_owner', 'lease_until'])
    .orderBy('seq');

/** To be asked for while nothing is run here: what to run from now on. What another has left is seen to first. */
export async function claimTrainingRun(db: Kysely<Schema>, input: ClaimInput): Promise<Claim> {
  let others: string | null = null;
  for (const run of await selectRows(db).where('state', '=', 'running').execute()) {
    const ours = run.base_digest === input.base_digest;
    const until = liveUntil(run, input);
    if (until !== null && ours) return { kind: 'leased', until };
    if (until !== null) others = until;
    if (until !== null) continue;
    if (!ours) await failOther(db, run, input.at);
    const retry = ours ? await died(db, run, { ...input, reason: LEFT }) : null;
    if (retry !== null) return { kind: 'claimed', fence: { id: retry.id, attempt: retry.attempt } };
  }
  const queued = selectRows(db).where('state', '=', 'queued').where('base_digest', '=', input.base_digest);
  const next = await queued.limit(1).executeTakeFirst();
  if (next !== undefined) return { kind: 'claimed', fence: await enter(db, next, input) };
  // A run of another base model that turns out to have been left is still to be failed.
  return others === null ? { kind: 'none' } : { kind: 'leased', until: others };
}

const LEFT = 'the service ended during the run, or hung';

/** Until when another process is believed to run it; null: nobody is. */
const liveUntil = ({ lease_owner, lease_until }: Row, { at, lease }: ClaimInput): string | null =>
  lease_until !== null && lease_until > at && lease_owner !== lease.owner ? lease_until : null;

async function enter(db: Kysely<Schema>, run: Row, { at, lease }: Pick<ClaimInput, 'at' | 'lease'>): Promise<Fence> {
  const attempt = run.attempt + 1;
  const held = { lease_owner: lease.owner, lease_until: lease.lease_until };
  const values = { state: 'running' as const, attempt, started_at: run.started_at ?? at, ...held };
  await db.updateTable('training_runs').set(values).where('id', '=', run.id).execute();
  await addEvents(db, run.id, at, [{ type: 'state', state: 'running', attempt }]);
  failpoint('run.claim.written');
  return { id: run.id, attempt };
}

async function failOther(db: Kysely<Schema>, { id, attempt }: Row, at: string): Promise<void> {
  const error = 'the service was started with another base model while the run was running';
  await change(db, id, { state: 'failed', error, ended_at: at }, at, [{ type: 'state', state: 'failed', error }]);
  await audited(db, 'run.end', { id, at }, { state: 'failed', attempt });
}

export interface CrashRunInput extends Fence {
  readonly at: string;
  readonly reason: string;
  readonly lease: Lease;
}

/**
 * The attempt ended by itself. Resolves with the next one, or null: the run is not this attempt's any more, or it was the
 * third in a row that died without progress, and the run has failed.
 */
export async function crashTrainingRun(db: Kysely<Schema>, input: CrashRunInput): Promise<Retry | null> {
  if (!(await holds(db, input))) return null;
  return await died(db, await selectRows(db).where('id', '=', input.id).executeTakeFirstOrThrow(), input);
}

/** The next attempt. */
export interface Retry extends Fence {
  /** Attempts in a row that died without an epoch of progress. */
  readonly crashes: number;
}

type Death = Pick<CrashRunInput, 'at' | 'reason' | 'lease'>;

async function died(db: Kysely<Schema>, run: Row, { at, reason, lease }: Death): Promise<Retry | null> {
  const { id, attempt } = run;
  const crashes = run.crashes + 1;
  const interrupted = { type: 'interrupted', attempt, reason };
  if (crashes < MOST_CRASHES) {
    const held = { lease_owner: lease.owner, lease_until: lease.lease_until };
    await change(db, id, { crashes, ...held }, at, [interrupted]);
    failpoint('run.crash.written');
    return { ...(await enter(db, run, { at, lease })), crashes };
  }
  const error = `${reason}; given up: ${crashes} attempts in a row died without an epoch of progress`;
  const ended = { state: 'failed' as const, error, crashes, ended_at: at };
  await change(db, id, ended, at, [interrupted, { type: 'state', state: 'failed', error }]);
  await audited(db, 'run.end', { id, at }, { state: 'failed', attempt });
  return null;
}

export type RenewInput = Fence & { readonly lease: Lease };

/** The attempt's process is alive. False: the run is not this attempt's any more. */
export async function renewTrainingRun(db: Kysely<Schema>, { lease, ...fence }: RenewInput): Promise<boolean> {
  if (!(await holds(db, fence))) return false;
  const { lease_until } = lease;
  await db.updateTable('training_runs').set({ lease_until }).where('id', '=', fence.id).execute();
  return true;
}
