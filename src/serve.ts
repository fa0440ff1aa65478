/** The whole service put together: every part opened in the order it needs, and closed in the other. */
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { uuidv7 } from 'uuidv7';
import { largestAdapter } from '../adapters/size.js';
import { createAccess } from './access.js';
import { buildApp } from './app.js';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import { verifyLock } from './checkpoint/lock.js';
import { linearModules } from './checkpoint/modules.js';
import type { Config } from './config.js';
import { allKeys } from './db/api-keys.js';
import { listAudit } from './db/audit.js';
import { openDatabase } from './db/database.js';
import { getPrediction, listPredictions } from './db/predictions.js';
import { keepRetention } from './db/retention.js';
import { createEmbedding } from './embedding.js';
import { type Engine, type EngineOptions, ENGINE_DEFAULTS } from './engine/engine.js';
import { erase } from './erase.js';
import { refuseOpenService } from './exposure.js';
import { createJudge, type JudgeParts, type Recorder } from './judge.js';
import { labelMap } from './labels.js';
import { DEADLINE_MS } from './limits.js';
import { type LearningParts, type Log, openAdapters, openLearning } from './learning.js';
import { openLiveShadow } from './live-shadow.js';
import { createMetrics, type Metrics } from './metrics.js';
import { openInPrecision, type PrecisionReport } from './precision.js';
import { listenFault, naming, refuseOther } from './start-faults.js';
import { openText } from './text/text.js';
import { textFiles } from './train-open.js';
import { openWebhooks } from './webhooks.js';
import { readTargets } from './webhook-targets.js';

export interface Service {
  /** Where it listens, with the port it was given. */
  readonly url: string;
  /** There was no API key when it began: everybody on this machine may do everything. */
  readonly open: boolean;
  /** Answers what was accepted, then ends every part. */
  close(): Promise<void>;
}

/** Of the 25 s that a stop may take. */
const DRAIN_MS = 18_000;
const RETENTION_EVERY_MS = 60_000;
const MEGABYTE = 1_000_000;

/** Opens everything and listens. Rejects with an error that names the setting, the file or the key that is wrong. */
export async function serve(config: Config): Promise<Service> {
  const checkpoint = await naming('ERRATA_MODEL', openModel(config.model));
  const labels = labelMap(Object.fromEntries(checkpoint.config.id2label.entries()), config.labels ?? undefined);
  const closers: Closers = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) await end();
  };
  try {
    const log = lateLog();
    const opened = await openParts(config, checkpoint, log, closers);
    const parts = { config, checkpoint, labels, log, newId: uuidv7, now: Date.now, monotonic, ...opened };
    const app = await application(parts, closers);
    log.to = app.log;
    closers.push(() => drain(app, opened.engine));
    await listen(app, config);
    tellPrecision(app, opened.precision);
    if (opened.keys === 0) app.log.warn('there are no API keys: open to everybody on this machine');
    return { url: addressOf(app, config.host), open: opened.keys === 0, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function tellPrecision(app: FastifyInstance, { asked, used, int8 }: PrecisionReport): void {
  if (!int8) return;
  if (used === asked) app.log.info(int8, 'judging in int8');
  else app.log.warn(int8, 'int8 would change too many answers: judging in float32');
}

/** What waits is judged and answered; what could not be in time is told so, rather than cut off by the end of the process. */
async function drain(app: FastifyInstance, engine: Engine): Promise<void> {
  const hurry = setTimeout(() => void engine.close(), DRAIN_MS);
  await app.close();
  clearTimeout(hurry);
}

async function openModel(folder: string): Promise<Checkpoint> {
  await refuseOther(folder);
  await verifyLock(folder);
  return openCheckpoint(folder);
}

async function listen(app: FastifyInstance, { host, port }: Config): Promise<void> {
  await app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    throw listenFault(error, host, port);
  });
}

type Closers = (() => Promise<void>)[];

interface OpenedParts extends Pick<LearningParts, 'database' | 'text' | 'engine'> {
  readonly precision: PrecisionReport;
  readonly keys: number;
}

async function openParts(config: Config, checkpoint: Checkpoint, log: Log, closers: Closers): Promise<OpenedParts> {
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

async function application(parts: LearningParts & OpenedParts, closers: Closers): Promise<FastifyInstance> {
  const { config, checkpoint, labels, database, engine, text } = parts;
  const adapters = await openAdapters(parts);
  closers.push(() => adapters.comparisons.close());
  const metrics = createMetrics({ engine: () => engine.status(), database: () => database.health() });
  const model = { name: path.basename(config.model), digest: checkpoint.digest };
  const liveShadow = openLiveShadow({
    database,
    base: { name: model.name, digest: model.digest, config: checkpoint.config },
    engine,
    held: adapters.registry.held,
    labels,
    now: parts.now,
    random: Math.random,
    counted: (outcome, pairs) => metrics.countShadow(outcome, pairs),
    log: parts.log,
  });
  closers.push(() => liveShadow.close());
  const judgeParts: JudgeParts = {
    model,
    text,
    engine: { classify: adapters.registry.classify, reserve: (work) => engine.reserve(work) },
    labels,
    record: recorder(parts, metrics),
    adapters: adapters.registry,
    clock: { now: parts.now, monotonic: parts.monotonic },
    newId: parts.newId,
    deadlineMs: DEADLINE_MS.usual,
    maxTokens: config.maxTokens,
  };
  const learning = await openLearning(parts, adapters, createJudge(judgeParts));
  closers.push(() => learning.training.close());
  const webhooks = openWebhooks({
    database,
    targets: await readTargets(config.webhooks),
    log: parts.log,
    now: parts.now,
    random: Math.random,
  });
  closers.push(() => webhooks.close());
  const embedding = config.embedUrl === null ? null : createEmbedding({ url: config.embedUrl });
  closers.push(async () => embedding?.close());
  const app = await buildApp(
    {
      judge: createJudge({ ...judgeParts, shadow: liveShadow }),
      engine,
      recording: () => config.record !== 'required' || database.health().writing === 'open',
      metrics,
      access: createAccess({ database, host: config.host, now: parts.now }),
      auditLog: (page) => listAudit(database.kysely, page),
      embedding,
      ...learning,
      ...adapters,
      checkpoint: () => ({
        ...model,
        files: checkpoint.files,
        labels,
        max_tokens: config.maxTokens,
        precision: parts.precision,
      }),
      modules: () => linearModules(checkpoint.config),
      activeAdapter: async () => (await adapters.registry.resolve('active')) ?? null,
      adapterBytes: largestAdapter(checkpoint.config),
      webhooks,
      liveShadow,
      erase: (request) => erase(parts, request),
      predictions: {
        list: (filters) => listPredictions(database.kysely, filters),
        get: async (id, key_id) => (await getPrediction(database.kysely, id, key_id)) ?? undefined,
      },
    },
    { logger: { level: config.logLevel }, unitsPerMinute: config.rateLimit },
  );
  if (adapters.registry.fallback !== null) app.log.warn(adapters.registry.fallback);
  return app;
}

function recorder({ config, database, log }: LearningParts, metrics: Metrics): Recorder {
  return {
    mode: config.record,
    write: async (rows) => database.run('recordPredictions', { rows }),
    failed: (error, rows) => {
      metrics.countRecordFailures(rows);
      log.error({ err: error, rows }, 'judgements could not be recorded');
    },
  };
}

const monotonic = (): number => performance.now();

/** Parts are opened before the app whose log they write to. */
function lateLog(): Log & { to: Log | undefined } {
  return {
    to: undefined,
    info(fields, message) {
      this.to?.info(fields, message);
    },
    error(fields, message) {
      this.to?.error(fields, message);
    },
  };
}

function addressOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
