/** Who may run a run, and whose writes count: the units of work alone, over a real database. */
import t, { type Test } from 'tap';
import type { Database } from '../../src/db/database.js';
import type { Fence } from '../../src/db/training-run-acts.js';
import type { Claim } from '../../src/db/training-run-leases.js';
import { openFor } from '../db/fixtures/open.js';
import { generator } from '../support/random.js';

/** Seconds after some day. */
const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 2) + 1000 * seconds).toISOString();
const lease = (owner: string, until: number) => ({ owner, lease_until: at(until) });

const run = (id: string, base_digest = 'b1') => ({
  id,
  at: at(0),
  actor: null,
  base_model: 'base',
  base_digest,
  code_version: '1',
  parameters: {},
  seed: 1,
  replay: 'none' as const,
  min_corrections: 1,
  force: true,
  when_new: null,
  rows: [{ correction_id: 'c1', side: 'train' as const, kind: 'correction' as const }],
  left_out: [],
});

const claim = (db: Database, owner: string, now: number, until = now + 10, base_digest = 'b1'): Promise<Claim> =>
  db.run('claimTrainingRun', { base_digest, at: at(now), lease: lease(owner, until) });

async function claimed(t: Test): Promise<{ db: Database; fence: Fence }> {
  const db = await openFor(t);
  await db.run('startTrainingRun', run('r1'));
  const found = await claim(db, 'one', 1);
  if (found.kind !== 'claimed') throw new Error(found.kind);
  return { db, fence: found.fence };
}

t.test('a run is claimed by another only when its lease has run out, and the token rises', async (t) => {
  const { db, fence } = await claimed(t);
  t.strictSame(fence, { id: 'r1', attempt: 1 });
  t.strictSame(await claim(db, 'two', 5), { kind: 'leased', until: at(11) });
  t.equal(await db.run('renewTrainingRun', { ...fence, lease: lease('one', 20) }), true);
  t.strictSame(await claim(db, 'two', 12), { kind: 'leased', until: at(20) });
  t.strictSame(await claim(db, 'two', 21), { kind: 'claimed', fence: { id: 'r1', attempt: 2 } });
  t.strictSame(await claim(db, 'three', 22), { kind: 'leased', until: at(31) });
});

t.test('a process that has lost sight of its own run claims it again at once', async (t) => {
  const { db } = await claimed(t);
  t.strictSame(await claim(db, 'one', 2), { kind: 'claimed', fence: { id: 'r1', attempt: 2 } });
});

t.test('of many who claim at once, one gets it', async (t) => {
  const db = await openFor(t);
  await db.run('startTrainingRun', run('r1'));
  const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => claim(db, `p${i}`, 1)));
  t.equal(claims.filter(({ kind }) => kind === 'claimed').length, 1);
  t.equal(claims.filter(({ kind }) => kind === 'leased').length, 19);
});

t.test('a run of another base model is failed only when nobody runs it any more', async (t) => {
  const { db } = await claimed(t);
  t.strictSame(await claim(db, 'two', 5, 15, 'b2'), { kind: 'leased', until: at(11) });
  const state = () => db.kysely.selectFrom('training_runs').select(['state', 'error']).execute();
  t.match(await state(), [{ state: 'running' }]);
  t.strictSame(await claim(db, 'two', 30, 40, 'b2'), { kind: 'none' });
  t.match(await state(), [{ state: 'failed', error: /another base model/ }]);
});

const ADAPTER = {
  id: 'a1',
  digest: 'd1',
  config_sha256: 'c',
  weights_sha256: 'w',
  base_digest: 'b1',
  base_model: 'base',
  origin: 'trained' as const,
  run_id: 'r1',
  r: 4,
  lora_alpha: 8,
  target_modules: ['query_proj'],
  created_at: at(1),
};

const COMPARISON = {
  id: 's1',
  base_digest: 'b1',
  old_adapter_id: null,
  old_version: null,
  old_digest: null,
  new_adapter_id: 'a1',
  new_version: 'v1',
  new_digest: 'd1',
  run_id: 'r1',
  created_at: at(1),
};

/** Everything that is written for an attempt; each resolves with false or rejects when it is refused. */
const WRITES: Readonly<Record<string, (db: Database, fence: Fence) => Promise<unknown>>> = {
  progress: (db, fence) => db.run('noteTrainingRun', { ...fence, at: at(50), events: [{ type: 'late' }] }),
  checkpoint: (db, fence) =>
    db.run('noteTrainingRun', { ...fence, at: at(50), events: [], checkpoints: [{ epoch: 9, sha256: 'x' }] }),
  adapter: (db, fence) => db.run('insertAdapter', { ...ADAPTER, fence }),
  comparison: (db, fence) => db.run('insertComparison', { comparison: COMPARISON, most_waiting: 9, fence }),
  success: (db, fence) => db.run('endTrainingRun', { ...fence, at: at(50), state: 'succeeded', error: null }),
  failure: (db, fence) => db.run('endTrainingRun', { ...fence, at: at(50), state: 'failed', error: 'late' }),
  death: async (db, fence) =>
    (await db.run('crashTrainingRun', { ...fence, at: at(50), reason: 'late', lease: lease('one', 60) })) ?? false,
  'a way back into the queue': (db, fence) => db.run('parkTrainingRun', { ...fence, at: at(50) }),
  'a sign of life': (db, fence) => db.run('renewTrainingRun', { ...fence, lease: lease('one', 60) }),
};

const TABLES = [
  'training_runs',
  'training_run_events',
  'training_run_checkpoints',
  'adapters',
  'shadow_comparisons',
  'audit_log',
  'webhook_events',
] as const;

const everything = async (db: Database): Promise<unknown[]> =>
  Promise.all(TABLES.map((table) => db.kysely.selectFrom(table).selectAll().execute()));

for (const [name, write] of Object.entries(WRITES))
  t.test(`a late attempt's ${name} is refused, and leaves nothing`, async (t) => {
    const { db, fence } = await claimed(t);
    t.match(await claim(db, 'two', 30), { kind: 'claimed', fence: { attempt: 2 } });
    const before = await everything(db);
    const answer = await write(db, fence).catch((error: unknown) => error);
    if (answer instanceof Error) t.match(answer, { code: 'stale-precondition', message: /attempt 1's any more/ });
    else t.equal(answer, false);
    t.strictSame(await everything(db), before);
  });

t.test('the present attempt writes all of it', async (t) => {
  const { db, fence } = await claimed(t);
  for (const name of ['progress', 'checkpoint', 'adapter', 'comparison', 'a sign of life', 'failure'])
    t.not(await WRITES[name]!(db, fence), false, name);
});

t.test('the comparison that an attempt opened before it died is the next one’s too', async (t) => {
  const { db, fence } = await claimed(t);
  const open = (id: string, by: Fence) =>
    db.run('insertComparison', { comparison: { ...COMPARISON, id }, most_waiting: 9, fence: by });
  const first = await open('first', fence);
  const next = await claim(db, 'two', 30);
  t.match(next, { kind: 'claimed' });
  t.strictSame([first, await open('second', { id: 'r1', attempt: 2 })], ['first', 'first']);
  t.strictSame(await db.kysely.selectFrom('shadow_comparisons').select('id').execute(), [{ id: 'first' }]);
});

t.test(
  'exactly one end, whatever comes at once: success, failure, cancellation, deaths, closing, claims',
  async (t) => {
    const db = await openFor(t);
    const random = generator(77);
    const reached = new Map<string, number>();
    for (let i = 1; i <= 40; i++) {
      const id = `r${i}`;
      await db.run('startTrainingRun', run(id));
      const found = await claim(db, 'one', 1);
      if (found.kind !== 'claimed') throw new Error(`round ${i}: ${found.kind}`);
      const fence = found.fence;
      await db.run('noteTrainingRun', { ...fence, at: at(2), events: [], adapter_id: 'a', comparison_id: 'c' });
      const act = { ...fence, at: at(3) };
      const acts: (() => Promise<unknown>)[] = [
        () => db.run('endTrainingRun', { ...act, state: 'succeeded', error: null }),
        () => db.run('endTrainingRun', { ...act, state: 'failed', error: 'no' }),
        () => db.run('cancelTrainingRun', { id, at: at(3) }),
        () => db.run('crashTrainingRun', { ...act, reason: 'dead', lease: lease('one', 13) }),
        () => db.run('parkTrainingRun', act),
        () => claim(db, 'two', 30),
      ];
      const order = acts.map((one) => ({ one, key: random() })).toSorted((a, b) => a.key - b.key);
      await Promise.allSettled(order.map(({ one }) => one()));
      await db.run('cancelTrainingRun', { id, at: at(31) }).catch(() => undefined);
      const { state } = await db.kysely
        .selectFrom('training_runs')
        .select('state')
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      reached.set(state, (reached.get(state) ?? 0) + 1);
      t.strictSame(await ends(db, id), { events: [state], audited: 1, told: 1 }, `${id} ${state}`);
    }
    t.ok(reached.size === 3, `each way to end was met: ${JSON.stringify([...reached])}`);
  },
);

async function ends(db: Database, id: string) {
  const events = await db.kysely.selectFrom('training_run_events').select('event').where('run_id', '=', id).execute();
  const states = events.map(({ event }) => (JSON.parse(event) as { state?: string }).state ?? '');
  const acts = await db.kysely
    .selectFrom('audit_log')
    .select('act')
    .where('subject_id', '=', id)
    .where('act', 'in', ['run.end', 'run.cancel'])
    .execute();
  const told = await db.kysely.selectFrom('webhook_events').select('data').where('type', '=', 'run.ended').execute();
  return {
    events: states.filter((state) => ['succeeded', 'failed', 'cancelled'].includes(state)),
    audited: acts.length,
    told: told.filter(({ data }) => (JSON.parse(data) as { run_id: string }).run_id === id).length,
  };
}
