/** The whole service put together: every part opened in the order it needs, and closed in the other. */
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { existsSync } from 'node:fs';
import type { FastifyInstance } from 'fastify';
import { uuidv7 } from 'uuidv7';
import { buildApp } from './app.js';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.js';
import { verifyLock } from './checkpoint/lock.js';
import { linearModules } from './checkpoint/modules.js';
import { type Comparisons, createComparisons, type SidedRow } from './compare.js';
import type { Config } from './config.js';
import { type Database, openDatabase } from './db/database.js';
import { getPrediction, listPredictions } from './db/predictions.js';
import { keepRetention } from './db/retention.js';
import { createEmbedding } from './embedding.js';
import { type Engine, type EngineOptions, ENGINE_DEFAULTS, openEngine } from './engine/engine.js';
import { refuseOpenService } from './exposure.js';
import { type JudgementRecord, createJudge } from './judge.js';
import { labelMap } from './labels.js';
import { createMetrics } from './metrics.js';
import { type Text, openText } from './text/text.js';

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
    const comparisons = openComparisons(config, { checkpoint, labels, ...parts });
    closers.push(() => comparisons.close());
    const app = await application(config, { checkpoint, labels, comparisons, ...parts });
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
  const text = await openText(textFiles(config));
  closers.push(() => text.close());
  const engine = await openEngine(checkpoint, engineOptions(config));
  closers.push(() => engine.close());
  return { database, text, engine };
}

function textFiles({ model, maxTokens }: Config) {
  const tokenizerConfig = path.join(model, 'tokenizer_config.json');
  return {
    tokenizerPath: path.join(model, 'tokenizer.json'),
    tokenizerConfigPath: existsSync(tokenizerConfig) ? tokenizerConfig : null,
    maxTokens,
  };
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

interface Opened extends Parts {
  readonly checkpoint: Checkpoint;
  readonly labels: ReturnType<typeof labelMap>;
}

interface Served extends Opened {
  readonly comparisons: Comparisons;
}

/** No review can be given to this service yet, and no adapter but the base model. */
const noReviews = async (): Promise<{ rows: SidedRow[] }> => ({ rows: [] });
const baseOnly = { resolve: async (name: string) => (name === 'active' ? null : undefined) };

function openComparisons(config: Config, { database, text, engine, labels, checkpoint }: Opened): Comparisons {
  return createComparisons({
    database,
    text,
    engine,
    labels,
    base: { name: path.basename(config.model), digest: checkpoint.digest },
    adapters: baseOnly,
    reviews: noReviews,
    gate: {
      loss_percent: config.gateLossPercent,
      alpha: config.gateAlpha,
      lower_limit: config.gateLowerLimit,
      least_rows: config.gateMinRows,
      least_pages: config.gateMinPages,
    },
    newId: uuidv7,
    now: Date.now,
    monotonic: () => performance.now(),
  });
}

async function application(
  config: Config,
  { checkpoint, labels, text, engine, database, comparisons }: Served,
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
    engine,
    labels,
    record,
    adapters: baseOnly,
    clock,
    newId: uuidv7,
    deadlineMs: DEADLINE_MS,
  });
  const app = await buildApp(
    {
      judge,
      engine,
      metrics,
      embedding,
      checkpoint: () => ({ ...model, files: checkpoint.files, labels, max_tokens: config.maxTokens }),
      modules: () => linearModules(checkpoint.config),
      activeAdapter: async () => null,
      comparisons,
      predictions: {
        list: (filters) => listPredictions(database.kysely, filters),
        get: async (id) => (await getPrediction(database.kysely, id)) ?? undefined,
      },
    },
    { logger: { level: config.logLevel } },
  );
  app.addHook('onClose', async () => embedding?.close());
  return app;
}

function addressOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
