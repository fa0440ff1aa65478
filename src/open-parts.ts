/** What everything else stands on: the checkpoint, the database, the text and the engine. */
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import { verifyLock } from './checkpoint/lock.js';
import type { Config } from './config.js';
import { allKeys } from './db/api-keys.js';
import { openDatabase } from './db/database.js';
import { keepRetention } from './db/retention.js';
import { type EngineOptions, ENGINE_DEFAULTS } from './engine/engine.js';
import { refuseOpenService } from './exposure.js';
import type { LearningParts } from './learning.js';
import type { Log } from './log.js';
import { openInPrecision, type PrecisionReport } from './precision.js';
import { naming, refuseOther } from './start-faults.js';
import { openText } from './text/text.js';
import { textFiles } from './train/open.js';

/** What is ended when the service stops, the last first. */
export type Closers = (() => Promise<void>)[];

/** Rejects with an error that names the file that is missing, changed since it was locked, or not what it should be. */
export async function openModel(folder: string): Promise<Checkpoint> {
  await refuseOther(folder);
  await verifyLock(folder);
  return openCheckpoint(folder);
}

const RETENTION_EVERY_MS = 60_000;
const MEGABYTE = 1_000_000;

export interface OpenedParts extends Pick<LearningParts, 'database' | 'text' | 'engine'> {
  readonly precision: PrecisionReport;
  readonly keys: number;
}

export async function openParts(
  config: Config,
  checkpoint: Checkpoint,
  log: Log,
  closers: Closers,
): Promise<OpenedParts> {
  const opening = openDatabase({ url: config.databaseUrl, log });
  const database = await naming('ERRATA_DATA_DIR or ERRATA_DATABASE_URL', opening);
  closers.push(() => database.close());
  const { length: keys } = await allKeys(database.kysely);
  refuseOpenService(config.host, keys);
  const { retentionDays: days, retentionMaxMb } = config;
  const retention = { days, maxBytes: retentionMaxMb * MEGABYTE, everyMs: RETENTION_EVERY_MS, clock: Date.now, log };
  closers.push(keepRetention(database, retention));
  const text = await naming('ERRATA_MODEL', openText(textFiles(config, config.maxTokens)));
  closers.push(() => text.close());
  const { engine, precision } = await openInPrecision({
    checkpoint,
    text,
    options: engineOptions(config),
    minAgreement: config.int8MinAgreement,
    directory: config.dataDir,
    log,
  });
  closers.push(() => engine.close());
  return { database, text, engine, precision, keys };
}

function engineOptions(config: Config): EngineOptions {
  return {
    ...ENGINE_DEFAULTS,
    children: config.inferenceChildren,
    threads: config.inferenceThreads,
    wideSession: config.wideSession === 'auto',
    precision: config.precision,
    queuePairs: config.queuePairs,
    queueTokens: config.queueTokens,
    batchTokens: config.batchTokens ?? ENGINE_DEFAULTS.batchTokens,
    batchAgeMs: config.batchAgeMs,
  };
}
