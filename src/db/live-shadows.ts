/** Rows of the live shadow: which candidate judges beside what is active, what both said, and where they disagree. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { Problem } from '../errors.js';
import type { Label } from '../labels.js';
import { type Actor, SERVICE } from '../roles.js';
import { appendAudit, type AuditEntry } from './audit.js';
import type { LiveShadowCountsTable, LiveShadowsTable, Schema, ShadowEnd } from './schema.js';

export type LiveShadowRow = Selectable<LiveShadowsTable>;
export type LabelPair = Omit<Selectable<LiveShadowCountsTable>, 'shadow_seq'>;

interface Ref {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
}

export interface SetShadowInput {
  readonly base_digest: string;
  readonly candidate: Ref;
  readonly rate: number;
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string;
  readonly by: Actor;
}

/** A unit of work: the candidate judges beside what is active now. Throws Problem 'conflict' when it is that itself. */
export async function setLiveShadow(db: Kysely<Schema>, input: SetShadowInput): Promise<LiveShadowRow> {
  const { base_digest, candidate, rate, at, by } = input;
  const against = await activeAdapter(db);
  if (against?.id === candidate.id) throw new Problem('conflict', `adapter ${candidate.version} is the active one`);
  await close(db, at, 'replaced');
  const detail = { version: candidate.version, digest: candidate.digest, rate };
  await appendAudit(db, { ...by, at, act: 'live-shadow.set', ...subjectOf(candidate.id), detail });
  return await begin(db, { base_digest, candidate, rate, actor: by.actor, at, against });
}

const subjectOf = (subject_id: string): Pick<AuditEntry, 'subject_type' | 'subject_id'> => ({
  subject_type: 'adapter',
  subject_id,
});

/** Of the alias' newest row; undefined: the base model. */
async function activeAdapter(db: Kysely<Schema>): Promise<Ref | undefined> {
  return await db
    .selectFrom('adapter_alias')
    .innerJoin('adapters', 'adapters.id', 'adapter_id')
    .select(['adapters.id', 'version', 'digest'])
    .where('adapter_alias.seq', '=', (eb) =>
      eb.selectFrom('adapter_alias').select((one) => one.fn.max('seq').as('seq')),
    )
    .executeTakeFirst();
}

type Beginning = Pick<SetShadowInput, 'base_digest' | 'candidate' | 'rate' | 'at'> & {
  readonly actor: string;
  readonly against: Ref | undefined;
};

async function begin(db: Kysely<Schema>, { candidate, against, at, ...rest }: Beginning): Promise<LiveShadowRow> {
  const values = {
    ...rest,
    candidate_id: candidate.id,
    candidate_version: candidate.version,
    candidate_digest: candidate.digest,
    against_id: against?.id ?? null,
    against_version: against?.version ?? null,
    against_digest: against?.digest ?? null,
    since: at,
    ended_at: null,
    ended_because: null,
    dropped: 0,
    failed: 0,
  };
  return await db.insertInto('live_shadows').values(values).returningAll().executeTakeFirstOrThrow();
}

async function close(db: Kysely<Schema>, at: string, because: ShadowEnd): Promise<LiveShadowRow | undefined> {
  return await db
    .updateTable('live_shadows')
    .set({ ended_at: at, ended_because: because })
    .where('ended_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
}

export interface EndShadowInput {
  readonly because: ShadowEnd;
  readonly at: string;
  /** Who asks; the service itself by default. */
  readonly by?: Actor;
  /** Only this one, if it has not ended. */
  readonly seq?: number;
}

/** A unit of work. True: there was one to end. */
export async function endLiveShadow(db: Kysely<Schema>, input: EndShadowInput): Promise<boolean> {
  const { because, at, by = SERVICE, seq } = input;
  const open = await openShadow(db);
  if (open === undefined || (seq !== undefined && open.seq !== seq)) return false;
  await close(db, at, because);
  await appendAudit(db, { ...by, at, act: 'live-shadow.end', ...subjectOf(open.candidate_id), detail: { because } });
  return true;
}

/** To be called in the unit that moves the alias: a promoted candidate ends its shadow, another one counts anew against it. */
export async function followAlias(db: Kysely<Schema>, at: string): Promise<void> {
  const open = await openShadow(db);
  const against = await activeAdapter(db);
  if (open === undefined || (against?.id ?? null) === open.against_id) return;
  if (against?.id === open.candidate_id) return void (await endLiveShadow(db, { because: 'promoted', at }));
  await close(db, at, 'active-changed');
  const { base_digest, rate, actor, candidate_id: id, candidate_version: version, candidate_digest: digest } = open;
  await begin(db, { base_digest, rate, actor, candidate: { id, version, digest }, against, at });
}

export interface Disagreement {
  readonly prediction_id: string;
  readonly label: Label;
  readonly confidence: number;
  readonly scores: Readonly<Record<Label, number>>;
}

export interface NoteShadowInput {
  readonly shadow_seq: number;
  readonly counts: readonly LabelPair[];
  readonly dropped: number;
  readonly failed: number;
  readonly disagreements: readonly Disagreement[];
}

/** A unit of work: adds to what is counted. A disagreement on a judgement that is gone is counted only. */
export async function noteLiveShadow(db: Kysely<Schema>, input: NoteShadowInput): Promise<void> {
  const { shadow_seq, counts, dropped, failed, disagreements } = input;
  await db
    .updateTable('live_shadows')
    .set((eb) => ({ dropped: eb('dropped', '+', dropped), failed: eb('failed', '+', failed) }))
    .where('seq', '=', shadow_seq)
    .execute();
  for (const count of counts)
    await db
      .insertInto('live_shadow_counts')
      .values({ ...count, shadow_seq })
      .onConflict((conflict) =>
        conflict.doUpdateSet((eb) => ({ pairs: eb('live_shadow_counts.pairs', '+', count.pairs) })),
      )
      .execute();
  for (const one of disagreements) await storeDisagreement(db, shadow_seq, one);
}

async function storeDisagreement(
  db: Kysely<Schema>,
  shadow_seq: number,
  { prediction_id, label, confidence, scores }: Disagreement,
): Promise<void> {
  const given = { shadow_seq, label, confidence, scores: JSON.stringify(scores) };
  await db
    .insertInto('shadow_disagreements')
    .columns([
      'prediction_seq',
      'active_margin',
      'shadow_seq',
      'candidate_label',
      'candidate_confidence',
      'candidate_scores',
    ])
    .expression((eb) =>
      eb
        .selectFrom('predictions')
        .select(['seq', 'margin', ...Object.values(given).map((value, at) => sql.val(value).as(`given_${at}`))])
        .where('id', '=', prediction_id),
    )
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The one that has not ended. */
export async function openShadow(db: Kysely<Schema>): Promise<LiveShadowRow | undefined> {
  return await db.selectFrom('live_shadows').selectAll().where('ended_at', 'is', null).executeTakeFirst();
}

export interface CountedShadow {
  readonly row: LiveShadowRow;
  readonly counts: LabelPair[];
}

/** The newest, open or ended, with what was counted; undefined: there never was one. */
export async function newestShadow(db: Kysely<Schema>): Promise<CountedShadow | undefined> {
  const row = await db.selectFrom('live_shadows').selectAll().orderBy('seq', 'desc').limit(1).executeTakeFirst();
  if (row === undefined) return undefined;
  const counts = await db
    .selectFrom('live_shadow_counts')
    .select(['active_label', 'candidate_label', 'pairs'])
    .where('shadow_seq', '=', row.seq)
    .execute();
  return { row, counts };
}
