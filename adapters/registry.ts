/** Which adapters there are: files in the store, a row for each, versions per base model. */
import type { DebertaConfig } from '../src/checkpoint/checkpoint.js';
import { type AdapterRow, findAdapter, type InsertedAdapter, type NewAdapter } from '../src/db/adapters.js';
import type { Database } from '../src/db/database.js';
import type { Fence } from '../src/db/training-run-acts.js';
import { Problem } from '../src/errors.js';
import { failpoint } from '../src/failpoints.js';
import { isFull } from '../src/files.js';
import type { Actor } from '../src/roles.js';
import { type Adapter, AdapterError, type AdapterFiles, parseAdapter } from './format.js';
import { loadStored, sha256, storeAdapter } from './store.js';

export type { AdapterRow } from '../src/db/adapters.js';

/** The base model that is served. */
export interface Base {
  readonly name: string;
  readonly digest: string;
  readonly config: DebertaConfig;
}

export interface RegistryParts {
  readonly dataDir: string;
  readonly database: Pick<Database, 'run' | 'kysely'>;
  readonly base: Base;
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface NewAdapterFiles extends AdapterFiles {
  readonly origin: 'trained' | 'imported';
  readonly run_id: string | null;
  /** The attempt of that run: refused when there is a later one. */
  readonly fence?: Fence;
  /** Who brings it; the service itself by default. */
  readonly by?: Actor;
}

/**
 * Stores the files and gives them the next version; the same adapter again is the row that is there. When this resolves,
 * files and row are on disk, the files first.
 * @throws AdapterError naming what does not fit the base model
 * @throws Problem 'storage-full', 'storage-failed'; 'stale-precondition' when there is a later attempt of the run
 */
export async function registerAdapter(parts: RegistryParts, files: NewAdapterFiles): Promise<AdapterRow> {
  return (await addAdapter(parts, files)).adapter;
}

/** registerAdapter that also tells whether the adapter is new. */
export async function addAdapter(parts: RegistryParts, files: NewAdapterFiles): Promise<InsertedAdapter> {
  const adapter = parseAdapter(files.config, files.weights, parts.base.config);
  const known = await findAdapter(parts.database.kysely, parts.base.digest, adapter.digest);
  const keep = (found: AdapterFiles): boolean =>
    known ? sameFiles(known, shas(found)) : isAdapter(found, adapter.digest, parts.base);
  if (known && !sameFiles(known, shas(files))) return { adapter: known, created: false };
  const stored = await storeAdapter(parts.dataDir, adapter.digest, files, keep).catch((cause: unknown) => {
    throw new Problem(isFull(cause) ? 'storage-full' : 'storage-failed', 'the adapter could not be stored', { cause });
  });
  failpoint('adapter.stored');
  if (known) return { adapter: known, created: false };
  const inserted = await parts.database.run('insertAdapter', newRow(parts, { ...files, ...stored }, adapter));
  failpoint('adapter.committed');
  return inserted;
}

const shas = ({ config, weights }: AdapterFiles) => ({
  config_sha256: sha256(config),
  weights_sha256: sha256(weights),
});

type Shas = ReturnType<typeof shas>;

const sameFiles = (a: Shas, b: Shas): boolean =>
  a.config_sha256 === b.config_sha256 && a.weights_sha256 === b.weights_sha256;

/** Whether the files hold the adapter of that digest, in whatever words its configuration says it. */
function isAdapter({ config, weights }: AdapterFiles, digest: string, base: Base): boolean {
  try {
    return parseAdapter(config, weights, base.config).digest === digest;
  } catch {
    return false;
  }
}

function newRow({ base, newId, now }: RegistryParts, files: NewAdapterFiles, adapter: Adapter): NewAdapter {
  const { r, lora_alpha } = adapter.config;
  return {
    id: newId(),
    digest: adapter.digest,
    ...shas(files),
    base_digest: base.digest,
    base_model: base.name,
    origin: files.origin,
    run_id: files.run_id,
    fence: files.fence,
    by: files.by,
    r,
    lora_alpha,
    target_modules: targetsOf(adapter),
    created_at: new Date(now()).toISOString(),
  };
}

/** In the adapter's own words where they are a list. */
function targetsOf({ config: { target_modules }, modules }: Adapter): readonly string[] {
  if (target_modules !== null && typeof target_modules !== 'string') return target_modules;
  return [...new Set([...modules.values()].map(({ linear }) => linear))];
}

/** By id, version or digest; versions and digests are those of the base model that is served. */
export const getAdapter = (
  { database, base }: Pick<RegistryParts, 'database' | 'base'>,
  name: string,
): Promise<AdapterRow | undefined> => findAdapter(database.kysely, base.digest, name);

/** The row's tensors, every byte of their files checked. Throws Problem 'conflict' that says what is wrong with them. */
export async function loadAdapter(parts: Pick<RegistryParts, 'dataDir' | 'base'>, row: AdapterRow): Promise<Adapter> {
  if (row.base_digest !== parts.base.digest)
    throw new Problem(
      'conflict',
      `adapter ${row.id} (${row.version}) belongs to another base model, ${row.base_model}`,
    );
  try {
    return await loadStored(parts.dataDir, row, parts.base.config);
  } catch (cause) {
    if (!(cause instanceof AdapterError)) throw cause;
    throw new Problem('conflict', `adapter ${row.version} cannot be used: ${cause.message}`, { cause });
  }
}
