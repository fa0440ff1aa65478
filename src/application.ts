/** The use cases put together behind their routes. */
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import { largestAdapter } from '../adapters/size.js';
import { createAccess } from './access.js';
import { buildApp, type Dependencies } from './app.js';
import { linearModules } from './checkpoint/modules.js';
import { listAudit } from './db/audit.js';
import { getPrediction, listPredictions } from './db/predictions.js';
import { createEmbedding } from './embedding.js';
import { erase } from './erase.js';
import { createJudge } from './judge/judge.js';
import type { JudgeParts } from './judge/parts.js';
import type { Recorder } from './judge/record.js';
import { type Adapters, type LearningParts, openAdapters, openLearning } from './learning.js';
import { type LiveShadow, openLiveShadow } from './live-shadow/live-shadow.js';
import { DEADLINE_MS } from './limits.js';
import { createMetrics, type Metrics } from './metrics.js';
import type { Closers, OpenedParts } from './open-parts.js';
import { createResultCache, type ResultCache } from './judge/result-cache.js';
import { listErasures } from './db/erasures.js';
import { openWebhooks, type Webhooks } from './webhooks/webhooks.js';
import { readTargets } from './webhooks/targets.js';

type Parts = LearningParts & OpenedParts;

/** What is made here of the parts. */
interface Made {
  readonly adapters: Adapters;
  readonly metrics: Metrics;
  readonly cache: ResultCache;
}

export async function openApplication(parts: Parts, closers: Closers): Promise<FastifyInstance> {
  const { config, database, engine } = parts;
  const adapters = await openAdapters(parts);
  closers.push(() => adapters.comparisons.close());
  const cache = createResultCache(config.resultCache);
  const metrics = createMetrics({
    engine: () => engine.status(),
    database: () => database.health(),
    cache: () => cache.status(),
  });
  const made = { adapters, metrics, cache };
  const liveShadow = openShadow(parts, made);
  closers.push(() => liveShadow.close());
  const judgeParts = judgePartsOf(parts, made);
  // Who reviews a pair that was never asked wants no live shadow.
  const learning = await openLearning(parts, adapters, createJudge(judgeParts));
  closers.push(() => learning.training.close());
  const webhooks = await openDeliveries(parts);
  closers.push(() => webhooks.close());
  const embedding = config.embedUrl === null ? null : createEmbedding({ url: config.embedUrl });
  closers.push(async () => embedding?.close());
  const judge = createJudge({ ...judgeParts, shadow: liveShadow });
  const app = await buildApp(
    { ...reading(parts, made), ...adapters, ...learning, judge, metrics, liveShadow, webhooks, embedding },
    { logger: { level: config.logLevel }, unitsPerMinute: config.rateLimit },
  );
  if (adapters.registry.fallback !== null) app.log.warn(adapters.registry.fallback);
  return app;
}

const modelOf = ({ config, checkpoint }: Parts) => ({ name: path.basename(config.model), digest: checkpoint.digest });

function openShadow(parts: Parts, { adapters, metrics }: Made): LiveShadow {
  const { database, engine, labels, now, log, checkpoint } = parts;
  return openLiveShadow({
    database,
    base: { ...modelOf(parts), config: checkpoint.config },
    engine,
    held: adapters.registry.held,
    labels,
    now,
    random: Math.random,
    counted: (outcome, pairs) => metrics.countShadow(outcome, pairs),
    log,
  });
}

function judgePartsOf(parts: Parts, { adapters, metrics, cache }: Made): JudgeParts {
  const { config, engine, text, labels, newId, now, monotonic } = parts;
  return {
    model: modelOf(parts),
    text,
    cache,
    engine: { classify: adapters.registry.classify, reserve: (work) => engine.reserve(work) },
    labels,
    record: recorder(parts, metrics),
    adapters: adapters.registry,
    clock: { now, monotonic },
    newId,
    deadlineMs: DEADLINE_MS.usual,
    maxTokens: config.maxTokens,
  };
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

async function openDeliveries({ config, database, log, now }: Parts): Promise<Webhooks> {
  const targets = await readTargets(config.webhooks);
  return openWebhooks({ database, targets, log, now, random: Math.random });
}

type Reading =
  | 'engine'
  | 'recording'
  | 'access'
  | 'auditLog'
  | 'checkpoint'
  | 'modules'
  | 'activeAdapter'
  | 'adapterBytes'
  | 'erase'
  | 'erasures'
  | 'predictions';

/** What routes ask of the parts themselves. */
function reading(parts: Parts, { adapters, cache }: Made): Pick<Dependencies, Reading> {
  const { config, checkpoint, labels, database, engine, now, precision } = parts;
  return {
    engine,
    recording: () => config.record !== 'required' || database.health().writing === 'open',
    access: createAccess({ database, host: config.host, now }),
    auditLog: (page) => listAudit(database.kysely, page),
    checkpoint: () => ({
      ...modelOf(parts),
      files: checkpoint.files,
      labels,
      max_tokens: config.maxTokens,
      precision,
    }),
    modules: () => linearModules(checkpoint.config),
    activeAdapter: async () => (await adapters.registry.resolve('active')) ?? null,
    adapterBytes: largestAdapter(checkpoint.config),
    erase: (request) => {
      cache.clear();
      return erase(parts, request);
    },
    erasures: (page) => listErasures(database.kysely, page),
    predictions: {
      list: (filters) => listPredictions(database.kysely, filters),
      get: async (id, key_id) => (await getPrediction(database.kysely, id, key_id)) ?? undefined,
    },
  };
}
