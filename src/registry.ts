/** The adapters of a running service: taken in, listed, handed out, held in the engine, and one of them active. */
import { addAdapter, type AdapterRow, getAdapter, loadAdapter, type RegistryParts } from '../adapters/registry.js';
import { AdapterError, type AdapterFiles } from '../adapters/format.js';
import { type FileName, openStored, type StoredFile, sweepLeftOvers } from '../adapters/store.js';
import { listMoves } from './db/adapter-alias.js';
import { listAdapters } from './db/adapters.js';
import type { Page, PageRequest } from './db/newest-first.js';
import type { Engine } from './engine/engine.js';
import { Problem } from './errors.js';
import { HeldAdapters } from './held-adapters.js';
import type { AdapterRef } from './db/prediction-rows.js';
import { type Actor, SERVICE } from './roles.js';
import { openPromotion, type Promotion, type PromotionParts } from './promote/promote.js';

/** An adapter as it is told: its row, and how it stands here now. */
export interface AdapterItem extends Omit<AdapterRow, 'seq' | 'config_sha256' | 'weights_sha256'> {
  /** Whether it fits the base model that is served; another may not be promoted. */
  readonly compatible: boolean;
  readonly active: boolean;
}

/** A move of the alias `active`. */
export interface HistoryItem {
  readonly seq: number;
  /** null: the base model. */
  readonly adapter: AdapterRef | null;
  readonly act: 'promote' | 'rollback' | 'fallback';
  readonly comparison_id: string | null;
  readonly forced: boolean;
  readonly reason: string | null;
  readonly actor: string;
  /** Live from then on, and until then; null: still. */
  readonly at: string;
  readonly until: string | null;
}

export interface Registry extends Pick<Promotion, 'etag' | 'fallback'> {
  active(): AdapterItem | null;
  list(page: PageRequest): Promise<Page<AdapterItem>>;
  /** By id, version or digest. Rejects with Problem 'not-found'. */
  get(name: string): Promise<AdapterItem>;
  history(page: PageRequest): Promise<Page<HistoryItem>>;
  /**
   * Takes in a PEFT directory's two files; `created` false: it was here. Rejects with Problem 'unprocessable' that names
   * the file and what in it does not fit.
   */
  import(files: AdapterFiles, by?: Actor): Promise<{ readonly adapter: AdapterItem; readonly created: boolean }>;
  /** One of the two files, checked. Rejects with Problem 'not-found', or 'conflict' when it is damaged. */
  file(name: string, file: FileName): Promise<StoredFile>;
  promote(...args: Parameters<Promotion['promote']>): Promise<AdapterItem>;
  rollback(...args: Parameters<Promotion['rollback']>): Promise<AdapterItem | null>;
  /** For the judge: `active`, a version, an id or a digest; null: the base model; undefined: there is none. */
  resolve(name: string): Promise<AdapterRef | null | undefined>;
  /** For the judge and comparisons: the engine's, with any registered adapter. */
  classify: Engine['classify'];
  /** For the live shadow: keeps its candidate in the engine. */
  readonly held: Pick<HeldAdapters, 'use' | 'keep' | 'isUsable'>;
}

export interface OpenRegistryParts extends RegistryParts, Pick<PromotionParts, 'latestComparison'> {
  readonly engine: Pick<Engine, 'hold' | 'forget' | 'classify'>;
  /** Adapters that the engine keeps beside the active one; 8 by default. */
  readonly mostHeld?: number;
}

const MOST_HELD = 8;

/** Opens what the data directory has and serves what was active. */
export async function openRegistry(parts: OpenRegistryParts): Promise<Registry> {
  await sweepLeftOvers(parts.dataDir, parts.now());
  const load = async (digest: string) => {
    const { modules, head } = await loadAdapter(parts, await existing(parts, digest));
    return { modules, head };
  };
  const held = new HeldAdapters({ engine: parts.engine, load, most: parts.mostHeld ?? MOST_HELD });
  const promotion = await openPromotion({ ...parts, held });
  return { ...reading(parts, promotion), ...writing(parts, promotion), ...judging(parts, promotion, held), held };
}

async function existing(parts: RegistryParts, name: string): Promise<AdapterRow> {
  const row = await getAdapter(parts, name);
  if (row === undefined) throw new Problem('not-found', 'there is no adapter of this id, version or digest');
  return row;
}

function itemOf({ base }: RegistryParts, promotion: Promotion, row: AdapterRow): AdapterItem {
  const { seq: _seq, config_sha256: _config, weights_sha256: _weights, ...told } = row;
  return { ...told, compatible: row.base_digest === base.digest, active: row.id === promotion.active()?.id };
}

function reading(parts: OpenRegistryParts, promotion: Promotion) {
  const item = (row: AdapterRow): AdapterItem => itemOf(parts, promotion, row);
  const { kysely } = parts.database;
  return {
    etag: promotion.etag,
    fallback: promotion.fallback,
    active: () => nullOr(promotion.active(), item),
    get: async (name: string) => item(await existing(parts, name)),
    file: async (name: string, file: FileName) => storedFile(parts, await existing(parts, name), file),
    async list(page: PageRequest): Promise<Page<AdapterItem>> {
      const { items, next_cursor } = await listAdapters(kysely, page);
      return { items: items.map(item), next_cursor };
    },
    async history(page: PageRequest): Promise<Page<HistoryItem>> {
      const { items, next_cursor } = await listMoves(kysely, page);
      return { items: items.map(historyItem), next_cursor };
    },
  };
}

type Moves = Awaited<ReturnType<typeof listMoves>>['items'];

function historyItem({ adapter_id: id, version, digest, forced, ...move }: Moves[number]): HistoryItem {
  const adapter = id === null || version === null || digest === null ? null : { id, version, digest };
  return { ...move, adapter, forced: forced === 1 };
}

async function storedFile(parts: OpenRegistryParts, row: AdapterRow, name: FileName): Promise<StoredFile> {
  try {
    return await openStored(parts.dataDir, row, name);
  } catch (error) {
    throw error instanceof AdapterError ? new Problem('conflict', error.message, { cause: error }) : error;
  }
}

function writing(parts: OpenRegistryParts, promotion: Promotion) {
  const item = (row: AdapterRow): AdapterItem => itemOf(parts, promotion, row);
  return {
    async import(files: AdapterFiles, by: Actor = SERVICE) {
      const { adapter, created } = await addAdapter(parts, { ...files, origin: 'imported', run_id: null, by }).catch(
        (error: unknown) => {
          throw error instanceof AdapterError ? misfit(error) : error;
        },
      );
      return { adapter: item(adapter), created };
    },
    promote: async (...args: Parameters<Promotion['promote']>) => item(await promotion.promote(...args)),
    rollback: async (...args: Parameters<Promotion['rollback']>) => nullOr(await promotion.rollback(...args), item),
  };
}

/** An AdapterError begins with the name of the file. */
function misfit({ message }: AdapterError): Problem {
  const [file = ''] = message.split(': ', 1);
  return new Problem('unprocessable', message, {
    errors: [{ pointer: `/${file}`, detail: message.slice(file.length + 2) }],
  });
}

function judging(parts: OpenRegistryParts, promotion: Promotion, held: HeldAdapters) {
  const known = new Map<string, AdapterRef>();
  const refOf = ({ id, version, digest }: AdapterRow): AdapterRef => ({ id, version, digest });
  return {
    async resolve(name: string): Promise<AdapterRef | null | undefined> {
      if (name === 'active') return nullOr(promotion.active(), refOf);
      const row = known.has(name) ? undefined : await getAdapter(parts, name);
      // Rows never change, so what was found once is not asked for again.
      if (row?.base_digest === parts.base.digest) known.set(name, refOf(row));
      return known.get(name);
    },
    classify: (async (rows, options) =>
      held.classify(rows, options).catch((error: unknown) => {
        throw error instanceof Problem && error.code === 'conflict' ? ours(error) : error;
      })) satisfies Engine['classify'],
  };
}

/** A registered adapter that cannot be loaded is not the fault of who asks for it. */
const ours = (cause: Problem): Problem => new Problem('unavailable', 'the adapter cannot be loaded', { cause });

const nullOr = <T, U>(value: T | null, map: (value: T) => U): U | null => (value === null ? null : map(value));
