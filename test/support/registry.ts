/** A registry over a real database and store in the test's own directory, with the bundled model. */
import path from 'node:path';
import { uuidv7 } from 'uuidv7';
import type { Test } from 'tap';
import type { RegistryParts } from '../../adapters/registry.js';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { type Database, openDatabase } from '../../src/db/database.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { packageRoot } from '../../src/package.js';
import { openRegistry, type OpenRegistryParts, type Registry } from '../../src/registry.js';
import { engineStandIn } from './stand-ins.js';

export const bundled: Checkpoint = await openCheckpoint(path.join(packageRoot, 'models', 'nli-deberta-v3-tiny'));
export const BASE = { name: 'tiny', digest: bundled.digest, config: bundled.config };

/** One child without a second session: enough to answer, and quick to start. */
export async function realEngine(t: Pick<Test, 'teardown'>, children = 1): Promise<Engine> {
  const engine = await openEngine(bundled, { children, wideSession: false });
  t.teardown(() => engine.close());
  return engine;
}

export async function openParts(t: Test, dataDir = t.testdir()): Promise<RegistryParts & { database: Database }> {
  const database = await openDatabase({ url: `sqlite:${path.join(dataDir, 'errata.db')}` });
  t.teardown(() => database.close());
  return { dataDir, database, base: BASE, newId: uuidv7, now: Date.now };
}

/** No comparison exists unless one is given. */
export const openOver = (parts: RegistryParts, overrides: Partial<OpenRegistryParts> = {}): Promise<Registry> =>
  openRegistry({ ...parts, engine: engineStandIn(), latestComparison: async () => null, ...overrides });

export const forced = { force: true, reason: 'because', actor: 'tester' } as const;
