/** Promotion and rollback over a real database, store and engine. */
import { appendFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { AdapterFiles } from '../adapters/format.js';
import { fileOf } from '../adapters/store.js';
import type { Database } from '../src/db/database.js';
import { Problem } from '../src/errors.js';
import type { ComparisonVerdict } from '../src/promote/grounds.js';
import type { OpenRegistryParts, Registry } from '../src/registry.js';
import { randomAdapter, randomModules } from './support/adapter-files.js';
import { BASE, bundled, forced, openOver, openParts, realEngine } from './support/registry.js';
import { writeAdapter } from '../adapters/format.js';
import { settingsOf } from './support/adapter-files.js';

t.setTimeout(600_000);
const engine = await realEngine(t);
const files = [1, 2, 3].map((seed) => randomAdapter(bundled.config, { seed }));
const ROW = Int32Array.of(1, 50, 60, 2, 70, 2);

async function opened(t: Test, overrides: Partial<OpenRegistryParts> = {}) {
  const parts = await openParts(t);
  const registry = await openOver(parts, { engine, ...overrides });
  for (const one of files) await registry.import(one);
  return { parts, registry, reopen: (more: Partial<OpenRegistryParts> = {}) => openOver(parts, { engine, ...more }) };
}

const live = async (registry: Registry): Promise<string> => (await registry.resolve('active'))?.version ?? 'base';

async function history(registry: Registry): Promise<string[]> {
  const { items } = await registry.history({ limit: 100 });
  return items.map(({ act, adapter }) => `${act} ${adapter?.version ?? 'base'}`).toReversed();
}

t.test('before any promotion the base model answers', async (t) => {
  const { registry } = await opened(t);
  t.equal(registry.active(), null);
  t.equal(registry.etag(), '"base"');
  t.strictSame(await history(registry), []);
  await t.rejects(registry.rollback({ actor: 'tester' }), { code: 'conflict', message: /nothing was active before/ });
});

t.test('a promoted adapter answers, and after the next start too', async (t) => {
  const { registry, reopen } = await opened(t);
  const [before] = await registry.classify([ROW]);
  const promoted = await registry.promote('v2', forced);
  t.match(promoted, { version: 'v2', active: true, compatible: true });
  t.equal(registry.etag(), `"${promoted.digest}"`);
  const { id, version, digest } = promoted;
  t.strictSame(await registry.resolve('active'), { id, version, digest });
  const [after] = await registry.classify([ROW], { adapter: digest });
  t.notSame(after, before);
  const next = await reopen();
  t.equal(next.fallback, null);
  t.strictSame(await next.resolve('active'), { id, version, digest });
  t.strictSame(await next.classify([ROW], { adapter: digest }), [after]);
  t.match(await next.history({ limit: 1 }), {
    items: [
      { seq: 1, act: 'promote', forced: true, reason: 'because', actor: 'tester', comparison_id: null, until: null },
    ],
  });
});

t.test('rolling back twice goes two back, never forth, the base model included', async (t) => {
  const { registry } = await opened(t);
  for (const name of ['v1', 'v2', 'v3']) await registry.promote(name, forced);
  const seen: string[] = [];
  for (let i = 0; i < 3; i++)
    seen.push((await registry.rollback({ actor: 'tester', reason: `again ${i}` }))?.version ?? 'base');
  t.strictSame(seen, ['v2', 'v1', 'base']);
  await t.rejects(registry.rollback({ actor: 'tester' }), { code: 'conflict' });
  await registry.promote('v3', forced);
  t.equal(await registry.rollback({ actor: 'tester' }), null);
  const acts = ['promote v1', 'promote v2', 'promote v3', 'rollback v2', 'rollback v1', 'rollback base'];
  t.strictSame(await history(registry), [...acts, 'promote v3', 'rollback base']);
  const { items } = await registry.history({ limit: 100 });
  for (const [at, item] of items.entries())
    t.equal(item.until, items[at - 1]?.at ?? null, 'each was live until the next');
});

t.test('promoting what is active changes nothing', async (t) => {
  const { registry } = await opened(t);
  await registry.promote('v1', forced);
  t.match(await registry.promote('v1', { actor: 'tester' }), { version: 'v1', active: true });
  t.strictSame(await history(registry), ['promote v1']);
});

const VERDICTS: [string, ComparisonVerdict | null, object, { code: string; message: RegExp }][] = [
  ['none', null, {}, { code: 'conflict', message: /v2 was not compared with v1, which is active/ }],
  ['reject', { id: 'c', verdict: 'reject' }, {}, { code: 'conflict', message: /v2 has the verdict reject against v1/ }],
  ['not enough', { id: 'c', verdict: 'not_enough_data' }, {}, { code: 'conflict', message: /not_enough_data/ }],
  ['force without a reason', null, { force: true }, { code: 'conflict', message: /needs a reason/ }],
  ['force with an empty reason', null, { force: true, reason: ' ' }, { code: 'conflict', message: /needs a reason/ }],
];

t.test('without a comparison with what is active that recommends it, an adapter is not promoted', async (t) => {
  const asked: unknown[] = [];
  let answer: ComparisonVerdict | null = null;
  const { registry } = await opened(t, {
    latestComparison: async (...ids) => {
      asked.push(ids);
      return answer;
    },
  });
  const v1 = await registry.promote('v1', forced);
  const v2 = await registry.get('v2');
  for (const [name, verdict, request, problem] of VERDICTS) {
    answer = verdict;
    await t.rejects(registry.promote('v2', { actor: 'tester', ...request }), problem, name);
  }
  t.equal(await live(registry), 'v1');
  t.strictSame(asked.at(-1), [v2.id, v1.id]);
  t.strictSame(asked[0], [v1.id, null], 'the base model has no id');
  answer = { id: 'comparison-7', verdict: 'recommend' };
  await registry.promote('v2', { actor: 'tester' });
  t.match((await registry.history({ limit: 1 })).items, [
    { comparison_id: 'comparison-7', forced: false, reason: null },
  ]);
});

t.test('If-Match names what is active, or nothing moves', async (t) => {
  const { registry } = await opened(t);
  const stale = { code: 'stale-precondition' };
  for (const ifMatch of ['"other"', 'W/"base"', 'base', '']) {
    await t.rejects(registry.promote('v1', { ...forced, ifMatch }), stale, ifMatch);
    await t.rejects(registry.rollback({ actor: 'tester', ifMatch }), stale, ifMatch);
  }
  await registry.promote('v1', { ...forced, ifMatch: '"x", "base"' });
  await t.rejects(registry.promote('v2', { ...forced, ifMatch: '"base"' }), stale);
  await registry.promote('v2', { ...forced, ifMatch: '*' });
  await registry.rollback({ actor: 'tester', ifMatch: registry.etag() });
  t.equal(await live(registry), 'v1');
});

t.test('of promotions at once exactly one wins', async (t) => {
  const { registry } = await opened(t);
  for (const [ifMatch, code] of [
    [undefined, 'conflict'],
    ['*', 'stale-precondition'],
  ] as const) {
    const before = await history(registry);
    const moves = [
      ...['v1', 'v2', 'v3', 'v1', 'v2'].map((name) => registry.promote(name, { ...forced, ifMatch })),
      ...(before.length > 0 ? [registry.rollback({ actor: 'tester', ifMatch })] : []),
    ];
    const outcomes = await Promise.allSettled(moves);
    const lost = outcomes.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Problem).code] : []));
    const idle = before.length > 0 ? 1 : 0; // it was active already, so that its promotion changes nothing
    t.ok(
      lost.every((one) => one === code),
      `all others are told ${code}`,
    );
    t.ok(moves.length - lost.length - 1 <= 2 * idle);
    t.equal((await history(registry)).length, before.length + 1, 'one row');
    const [newest] = (await registry.history({ limit: 1 })).items;
    t.equal(newest?.adapter?.id, registry.active()?.id, 'what answers is what the newest row says');
  }
});

t.test('what cannot be used is not promoted, and what was active stays', async (t) => {
  const { registry, parts } = await opened(t);
  const other = { ...parts, base: { ...BASE, digest: 'other', name: 'another' } };
  const foreign = await (await openOver(other)).import(files[0] as AdapterFiles);
  await registry.promote('v1', forced);
  t.match((await registry.list({ limit: 1 })).items, [{ id: foreign.adapter.id, compatible: false, active: false }]);
  await t.rejects(registry.promote(foreign.adapter.id, forced), {
    code: 'conflict',
    message: /another base model, another/,
  });
  await registry.import(overflowing());
  await t.rejects(registry.promote('v4', forced), { code: 'conflict', message: /its answers are not finite/ });
  const v2 = await registry.get('v2');
  appendFileSync(fileOf(parts.dataDir, v2.digest, 'adapter_model.safetensors'), 'x');
  await t.rejects(registry.promote('v2', forced), {
    code: 'conflict',
    message: /v2 cannot be used: .*SHA-256 differs/,
  });
  await t.rejects(registry.promote('v9', forced), { code: 'not-found' });
  t.equal(await live(registry), 'v1');
  t.strictSame(await history(registry), ['promote v1']);
});

/** Every value is finite, what comes of them is not. */
function overflowing(): AdapterFiles {
  const { modules, head } = randomModules(bundled.config, { seed: 1 });
  const weight = head.weight.map((value) => Math.sign(value) * 3e38);
  return writeAdapter(modules, { ...head, weight }, settingsOf(8));
}

t.test('an adapter that cannot be loaded answers nobody, and it is not their fault', async (t) => {
  const { registry, parts } = await opened(t, { mostHeld: 1 });
  const { digest } = await registry.get('v3');
  appendFileSync(fileOf(parts.dataDir, digest, 'adapter_config.json'), ' ');
  await t.rejects(registry.classify([ROW], { adapter: digest }), { code: 'unavailable' });
});

t.test('a start that cannot serve what was active falls back to the base model, and says so', async (t) => {
  const { registry, parts, reopen } = await opened(t);
  await registry.promote('v1', forced);
  const { digest } = await registry.promote('v2', forced);
  const file = fileOf(parts.dataDir, digest, 'adapter_model.safetensors');
  appendFileSync(file, 'x');
  const next = await reopen();
  t.match(next.fallback, /fell back to the base model: adapter v2 cannot be used: adapter_model.safetensors/);
  t.equal(next.active(), null);
  t.match((await next.history({ limit: 1 })).items, [
    { act: 'fallback', adapter: null, actor: 'service', reason: next.fallback },
  ]);
  await t.rejects(next.rollback({ actor: 'tester' }), { code: 'conflict', message: /v2 cannot be used/ });
  await next.import(files[1] as AdapterFiles);
  t.equal((await next.rollback({ actor: 'tester' }))?.version, 'v2', 'back where it was, once its file is');
  t.equal((await next.rollback({ actor: 'tester' }))?.version, 'v1');
});

t.test('a start with another base model falls back too', async (t) => {
  const { registry, parts } = await opened(t);
  await registry.promote('v1', forced);
  const other = await openOver({ ...parts, base: { ...BASE, digest: 'other', name: 'another' } }, { engine });
  t.match(other.fallback, /adapter .* \(v1\) belongs to another base model, tiny/);
  t.equal(other.active(), null);
  t.equal(await other.resolve('v1'), undefined);
  t.strictSame(
    (await other.list({ limit: 9 })).items.map(({ compatible }) => compatible),
    [false, false, false],
  );
});

t.test('a commit whose answer was lost is found out', async (t) => {
  const parts = await openParts(t);
  const lossy: Pick<Database, 'run' | 'kysely'> = {
    kysely: parts.database.kysely,
    async run(name, input) {
      const output = await parts.database.run(name, input);
      if (name === 'moveAlias') throw new Problem('storage-failed', 'the writer ended');
      return output;
    },
  };
  const registry = await openOver({ ...parts, database: lossy }, { engine });
  await registry.import(files[0] as AdapterFiles);
  await t.rejects(registry.promote('v1', forced), { code: 'storage-failed' });
  t.equal(await live(registry), 'v1', 'what the disk says is what answers');
});

t.test('children that die during promotions cost nobody an answer', async (t) => {
  const two = await realEngine(t, 2);
  const { registry } = await opened(t, { engine: two });
  for (const [i, name] of ['v1', 'v2', 'v3'].entries()) {
    const victim = two.status().children[i % 2]?.pid ?? 0;
    const { digest } = await registry.get(name);
    const promotion = registry.promote(name, forced);
    process.kill(victim, 'SIGKILL');
    await promotion;
    const answers = await Promise.all(Array.from({ length: 20 }, () => registry.classify([ROW], { adapter: digest })));
    t.ok(answers.flat().every((logits) => logits !== null));
    await two.warmUp();
    t.ok(two.status().totals.restarts > i, 'one was replaced');
    t.ok((await registry.classify([ROW, ROW, ROW], { adapter: digest })).every((logits) => logits !== null));
  }
});

t.test('the history only grows', async (t) => {
  const { registry, parts } = await opened(t);
  await registry.promote('v1', forced);
  for (const statement of ['update adapter_alias set adapter_id = null', 'delete from adapter_alias']) {
    const { default: Sqlite } = await import('better-sqlite3');
    const connection = new Sqlite(`${parts.dataDir}/errata.db`);
    t.throws(() => connection.exec(statement), { message: /adapter_alias only grows/ });
    connection.close();
  }
});
