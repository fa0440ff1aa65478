/** kill -9 at every stage of an import, a promotion and a rollback; then the next start, over the same directory. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Stage } from './fixtures/promotion-child.js';
import { randomAdapter } from './support/adapter-files.js';
import { bundled, forced, openOver, openParts, realEngine } from './support/registry.js';

const CHILD = fileURLToPath(new URL('fixtures/promotion-child.js', import.meta.url));
const ROW = Int32Array.of(1, 50, 60, 2, 70, 2);
t.setTimeout(600_000);
const engine = await realEngine(t);

/** What the child acknowledged before it died. */
async function acknowledged(dataDir: string, stage: Stage | 'none'): Promise<{ told: string[]; signal: unknown }> {
  const child = fork(CHILD, [dataDir, stage], { execArgv: [], serialization: 'json' });
  const told: string[] = [];
  child.on('message', (message) => told.push(String(message)));
  const [, signal] = (await once(child, 'exit')) as [unknown, unknown];
  return { told, signal };
}

/** Stage → versions registered, and moves, after the next start. */
const AFTER: [Stage | 'none', string[], string[]][] = [
  ['before insertAdapter', ['v1'], []],
  ['after insertAdapter', ['v2', 'v1'], []],
  ['comparing', ['v2', 'v1'], ['promote v1']],
  ['before hold', ['v2', 'v1'], ['promote v1']],
  ['after hold', ['v2', 'v1'], ['promote v1']],
  ['before moveAlias', ['v2', 'v1'], ['promote v1']],
  ['after moveAlias', ['v2', 'v1'], ['promote v1', 'promote v2']],
  ['before rollback', ['v2', 'v1'], ['promote v1', 'promote v2']],
  ['after rollback', ['v2', 'v1'], ['promote v1', 'promote v2', 'rollback v1']],
  ['none', ['v2', 'v1'], ['promote v1', 'promote v2', 'rollback v1']],
];

for (const [stage, versions, moves] of AFTER)
  t.test(`killed ${stage}`, async (t) => {
    const dataDir = t.testdir();
    const { told, signal } = await acknowledged(dataDir, stage);
    t.equal(signal, stage === 'none' ? null : 'SIGKILL');
    const parts = await openParts(t, dataDir);
    const registry = await openOver(parts, { engine });
    const { items } = await registry.history({ limit: 9 });
    const found = items.map(({ act, adapter }) => `${act} ${adapter?.version}`).toReversed();
    t.strictSame(found, moves);
    for (const one of told.filter((message) => !message.startsWith('imported')))
      t.ok(found.includes(one), `${one} was acknowledged`);
    t.strictSame(
      (await registry.list({ limit: 9 })).items.map(({ version }) => version),
      versions,
    );
    t.equal(registry.fallback, null);
    const active = await registry.resolve('active');
    t.equal(active?.version, moves.at(-1)?.split(' ')[1]);
    t.ok((await registry.classify([ROW], { adapter: active?.digest ?? null }))[0], 'and it answers');
    const { created, adapter } = await registry.import(randomAdapter(bundled.config, { seed: 2 }));
    t.equal(created, !versions.includes('v2'), 'what was lost can be done again');
    t.match(await registry.promote(adapter.id, forced), { version: 'v2', active: true });
    t.strictSame(
      readdirSync(path.join(dataDir, 'adapters')).filter((name) => name.length !== 64),
      [],
    );
  });
