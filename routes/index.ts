/** The routes, one by one. */
import type { FastifyInstance } from 'fastify';
import { adapters, type AdaptersOptions } from './adapters.js';
import { auditLog, type AuditLogOptions } from './audit-log.js';
import { correctionLines, type CorrectionLinesOptions } from './correction-lines.js';
import { corrections, type CorrectionsOptions } from './corrections.js';
import { docs } from './docs.js';
import { embed, type EmbedOptions } from './embed.js';
import { erasures, type ErasuresOptions } from './erasures.js';
import { health, type HealthOptions } from './health.js';
import { noteMethods, refuseOtherMethods } from './wire/methods.js';
import { liveShadow, type LiveShadowOptions } from './live-shadow.js';
import { metrics, type MetricsOptions } from './metrics.js';
import { model, type ModelOptions } from './model.js';
import { nli, type NliOptions } from './nli.js';
import { predictions, type PredictionsOptions } from './predictions.js';
import { problemTypes } from './problems.js';
import { readiness, type ReadinessOptions } from './readiness.js';
import { trainingRuns, type TrainingRunsOptions } from './training-runs.js';
import { shadowComparisons, type ShadowComparisonsOptions } from './shadow-comparisons.js';
import { webhookDeliveries, type WebhookDeliveriesOptions } from './webhook-deliveries.js';
import { warmup, type WarmupOptions } from './warmup.js';

export type RouteOptions = NliOptions &
  ModelOptions &
  HealthOptions &
  WarmupOptions &
  EmbedOptions &
  MetricsOptions &
  PredictionsOptions &
  CorrectionsOptions &
  CorrectionLinesOptions &
  ReadinessOptions &
  ErasuresOptions &
  WebhookDeliveriesOptions &
  AdaptersOptions &
  TrainingRunsOptions &
  ShadowComparisonsOptions &
  LiveShadowOptions &
  AuditLogOptions;

export async function routes(app: FastifyInstance, options: RouteOptions): Promise<void> {
  await app.register(docs);
  const paths = noteMethods(app);
  await app.register(nli, options);
  await app.register(predictions, options);
  await app.register(corrections, options);
  await app.register(correctionLines, options);
  await app.register(readiness, options);
  await app.register(erasures, options);
  await app.register(adapters, options);
  await app.register(trainingRuns, options);
  await app.register(shadowComparisons, options);
  await app.register(liveShadow, options);
  await app.register(auditLog, options);
  await app.register(webhookDeliveries, options);
  await app.register(model, options);
  await app.register(embed, options);
  await app.register(warmup, options);
  await app.register(health, options);
  await app.register(metrics, options);
  await app.register(problemTypes);
  refuseOtherMethods(app, paths);
}
