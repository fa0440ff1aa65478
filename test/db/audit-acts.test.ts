/** Every unit of work that is an act leaves its row in the log, with who did it; what is refused or changes nothing leaves none. */
import t from 'tap';
import { listAudit } from '../../src/db/audit.js';
import type { Database } from '../../src/db/database.js';
import type { Actor } from '../../src/roles.js';
import { openFor } from './fixtures/open.js';

const at = '2026-01-02T03:04:05.678Z';
const by: Actor = { actor: 'key-1', role: 'operator' };

async function acts(db: Database): Promise<string[]> {
  const { items } = await listAudit(db.kysely, { limit: 100 });
  return items
    .toReversed()
    .map(
      ({ act, actor, role, subject_id, detail }) => `${act} ${actor} ${role} ${subject_id} ${JSON.stringify(detail)}`,
    );
}

const run = (id: string) => ({
  id,
  at,
  by,
  actor: by.actor,
  base_model: 'base',
  base_digest: 'b1',
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

t.test('training runs', async (t) => {
  const db = await openFor(t);
  for (const id of ['r1', 'r2']) await db.run('startTrainingRun', run(id));
  await t.rejects(db.run('startTrainingRun', { ...run('r3'), rows: [] }));
  await db.run('cancelTrainingRun', { id: 'r2', at, by });
  await db.run('cancelTrainingRun', { id: 'r2', at, by });
  const lease = { owner: 'p1', lease_until: at };
  const claim = await db.run('claimTrainingRun', { base_digest: 'b1', at, lease });
  let fence = claim.kind === 'claimed' ? claim.fence : null;
  await db.run('endTrainingRun', { id: 'r1', attempt: 9, at, state: 'failed', error: 'late' });
  while (fence !== null) fence = await db.run('crashTrainingRun', { ...fence, at, reason: 'broken', lease });
  const started = '{"trigger":false,"force":true,"used":1}';
  t.strictSame(await acts(db), [
    `run.start key-1 operator r1 ${started}`,
    `run.start key-1 operator r2 ${started}`,
    'run.cancel key-1 operator r2 {}',
    'run.end service service r1 {"state":"failed","attempt":3}',
  ]);
});

const adapter = (id: string, origin: 'trained' | 'imported') => ({
  id,
  digest: `d-${id}`,
  config_sha256: 'c',
  weights_sha256: 'w',
  base_digest: 'b1',
  base_model: 'base',
  origin,
  run_id: origin === 'trained' ? 'r1' : null,
  r: 4,
  lora_alpha: 8,
  target_modules: ['query_proj'],
  created_at: at,
});

t.test('adapters and the alias', async (t) => {
  const db = await openFor(t);
  await db.run('insertAdapter', { ...adapter('a1', 'imported'), by });
  await db.run('insertAdapter', { ...adapter('a1', 'imported'), by });
  await db.run('insertAdapter', adapter('a2', 'trained'));
  const move = { adapter_id: 'a1', comparison_id: null, forced: 1 as const, reason: 'because', at };
  await db.run('moveAlias', { ...move, act: 'promote', ...by, expected_seq: 0 });
  await t.rejects(db.run('moveAlias', { ...move, act: 'promote', ...by, expected_seq: 0 }));
  await db.run('moveAlias', {
    ...move,
    adapter_id: null,
    act: 'fallback',
    actor: 'service',
    forced: 0,
    expected_seq: 1,
  });
  t.strictSame(await acts(db), [
    'adapter.import key-1 operator a1 {"version":"v1","digest":"d-a1","run_id":null}',
    'adapter.train service service a2 {"version":"v2","digest":"d-a2","run_id":"r1"}',
    'adapter.promote key-1 operator a1 {"move":1,"comparison_id":null,"forced":true}',
    'adapter.fallback service service null {"move":2,"comparison_id":null,"forced":false}',
  ]);
});

t.test('shadow comparisons', async (t) => {
  const db = await openFor(t);
  const none = { adapter_id: null, version: null, digest: null };
  const sides = Object.entries(none).flatMap(([name, value]) => [
    [`old_${name}`, value],
    [`new_${name}`, value],
  ]);
  const comparison = {
    id: 's1',
    base_digest: 'b1',
    run_id: null,
    created_at: at,
    ...Object.fromEntries(sides),
  } as never;
  await db.run('insertComparison', { comparison, most_waiting: 1, by });
  await t.rejects(db.run('insertComparison', { comparison, most_waiting: 1, by }));
  await db.run('beginComparison', { at, most_attempts: 3 });
  const figures = { old_accuracy: 1, new_accuracy: 1, recommend_deploy: 1 as const, error: null };
  await db.run('endComparison', {
    id: 's1',
    state: 'succeeded',
    report: JSON.stringify({ flips: { fixed: [], broken: [] } }),
    verdict: 'recommend',
    ...figures,
    ended_at: at,
  });
  t.strictSame(await acts(db), [
    'comparison.start key-1 operator s1 {"old_adapter_id":null,"new_adapter_id":null,"run_id":null}',
    'comparison.end service service s1 {"state":"succeeded","verdict":"recommend"}',
  ]);
});
