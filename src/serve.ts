/** The whole service put together: every part opened in the order it needs, and closed in the other. */
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { uuidv7 } from 'uuidv7';
import { buildApp } from './app.js';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import { verifyLock } from './checkpoint/lock.js';
import { linearModules } from './checkpoint/modules.js';
import { type Comparisons, createComparisons } from './compare.js';
import type { Config } from './config.js';
import { type Database, openDatabase } from './db/database.js';
import { idsOfNewestRun } from './db/training-run-rows.js';
import { getPrediction, listPredictions } from './db/predictions.js';
import { keepRetention } from './db/retention.js';
import { createEmbedding } from './embedding.js';
import { type Engine, type EngineOptions, ENGINE_DEFAULTS, openEngine } from './engine/engine.js';
import { largestAdapter } from '../adapters/size.js';
import { refuseOpenService } from './exposure.js';
import { type JudgementRecord, createJudge } from './judge.js';
import { labelMap } from './labels.js';
import { openCorrections } from './corrections.js';
import { createMetrics } from './metrics.js';
import { prepareTrainingData } from './prepare.js';
import { openRegistry, type Registry } from './registry.js';
import { type Text, openText } from './text/text.js';
import type { Training } from './train.js';
import { openTrainingRuns, textFiles } from './train-open.js';

export interface Service {
  /** Where it listens, with the port it was given. */
  readonly url: string;
  /** Answers what was accepted, then ends every part. */
  close(): Promise<void>;
}

const DEADLINE_MS = 120_000;
const RETENTION_EVERY_MS = 60_000;
const MEGABYTE = 1_000_000;

/** Opens everything and listens. Rejects with an error that names the setting, the file or the key that is wrong. */
export async function serve(config: Config): Promise<Service> {
  refuseOpenService(config.host, 0);
  await verifyLock(config.model);
  const checkpoint = await openCheckpoint(config.model);
  const labels = labelMap(Object.fromEntries(checkpoint.config.id2label.entries()), config.labels ?? undefined);
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) await end();
  };
  try {
    const parts = await openParts(config, checkpoint, closers);
    const learning = await openLearning(config, { checkpoint, labels, ...parts }, closers);
    const app = await application(config, { checkpoint, labels, ...parts, ...learning });
    closers.push(() => app.close());
    await app.listen({ host: config.host, port: config.port });
    return { url: addressOf(app, config.host), close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly text: Text;
  readonly engine: Engine;
  readonly database: Database;
}

async function openParts(config: Config, checkpoint: Checkpoint, closers: (() => Promise<void>)[]): Promise<Parts> {
  const database = await openDatabase({ url: config.databaseUrl });
  closers.push(() => database.close());
  const { retentionDays: days, retentionMaxMb } = config;
  const retention = { days, maxBytes: retentionMaxMb * MEGABYTE, everyMs: RETENTION_EVERY_MS, clock: Date.now };
  closers.push(keepRetention(database, retention));
  const text = await openText(textFiles(config, config.maxTokens));
  closers.push(() => text.close());
  const engine = await openEngine(checkpoint, engineOptions(config));
  closers.push(() => engine.close());
  return { database, text, engine };
}

function engineOptions(config: Config): EngineOptions {
  return {
    ...ENGINE_DEFAULTS,
    children: config.inferenceChildren,
    threads: config.inferenceThreads,
    wideSession: config.wideSession === 'auto',
    queuePairs: config.queuePairs,
    queueTokens: config.queueTokens,
    batchTokens: config.batchTokens ?? ENGINE_DEFAULTS.batchTokens,
    batchAgeMs: config.batchAgeMs,
  };
}

type Labels = ReturnType<typeof labelMap>;

interface Learning {
  readonly registry: Registry;
  readonly comparisons: Comparisons;
  readonly training: Training;
}

interface LearningParts extends Parts {
  readonly checkpoint: Checkpoint;
  readonly labels: Labels;
}

interface Served extends LearningParts, Learning {}

/** Adapters, their comparison and their training: each asks the one before. */
async function openLearning(
  config: Config,
  { database, text, engine, labels, checkpoint }: LearningParts,
  closers: (() => Promise<void>)[],
): Promise<Learning> {
  const base = { name: path.basename(config.model), digest: checkpoint.digest, config: checkpoint.config };
  const ids = { newId: uuidv7, now: Date.now };
  const registryParts = { dataDir: config.dataDir, database, base, ...ids };
  const registry: Registry = await openRegistry({
    ...registryParts,
    engine,
    latestComparison: (newId, oldId) => latestVerdict(comparisons, newId, oldId),
  });
  const comparisons = createComparisons({
    ...ids,
    database,
    text,
    engine: { classify: registry.classify, status: () => engine.status() },
    labels,
    base,
    adapters: registry,
    reviews: () => prepareTrainingData(database),
    monotonic: () => performance.now(),
  });
  closers.push(() => comparisons.close());
  const training = await openTrainingRuns(config, { database, checkpoint, labels, registryParts, comparisons });
  closers.push(() => training.close());
  return { registry, comparisons, training };
}

async function latestVerdict(comparisons: Comparisons, newId: string, oldId: string | null) {
  const found = await comparisons.latest(newId, oldId);
  const verdict = found?.verdict ?? null;
  return found === null || verdict === null ? null : { id: found.id, verdict };
}

async function application(
  config: Config,
  { checkpoint, labels, text, engine, database, registry, comparisons, training }: Served,
): Promise<FastifyInstance> {
  const metrics = createMetrics({ engine: () => engine.status() });
  const model = { name: path.basename(config.model), digest: checkpoint.digest };
  const embedding = config.embedUrl === null ? null : createEmbedding({ url: config.embedUrl });
  const record = {
    mode: config.record,
    write: async (rows: readonly JudgementRecord[]) => database.run('recordPredictions', { rows }),
    failed: (_error: unknown, rows: number) => metrics.countRecordFailures(rows),
  };
  const clock = { now: Date.now, monotonic: () => performance.now() };
  const judge = createJudge({
    model,
    text,
    engine: registry,
    labels,
    record,
    adapters: registry,
    clock,
    newId: uuidv7,
    deadlineMs: DEADLINE_MS,
  });
  const learning = openCorrections({
    database,
    judge,
    modelDigest: model.digest,
    now: Date.now,
    newId: uuidv7,
    trained: () => idsOfNewestRun(database.kysely, checkpoint.digest),
  });
  learning.corrections.onStored(() => training.correctionsStored());
  const app = await buildApp(
    {
      judge,
      ...learning,
      engine,
      metrics,
      embedding,
      checkpoint: () => ({ ...model, files: checkpoint.files, labels, max_tokens: config.maxTokens }),
      modules: () => linearModules(checkpoint.config),
      activeAdapter: async () => (await registry.resolve('active')) ?? null,
      registry,
      adapterBytes: largestAdapter(checkpoint.config),
      comparisons,
      training,
      predictions: {
        list: (filters) => listPredictions(database.kysely, filters),
        get: async (id) => (await getPrediction(database.kysely, id)) ?? undefined,
      },
    },
    { logger: { level: config.logLevel } },
  );
  app.addHook('onClose', async () => embedding?.close());
  if (registry.fallback !== null) app.log.warn(registry.fallback);
  return app;
}

function addressOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
