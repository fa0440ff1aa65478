/** The named components of openapi.yaml; every `Ref` points to one of them. */
import type { TSchema } from 'typebox';
import {
  ActiveAdapter,
  AdapterHistory,
  AdapterImport,
  AdapterList,
  PromoteRequest,
  RegisteredAdapter,
  RollbackRequest,
} from './adapters.js';
import { AuditEntry, AuditLog } from './audit-log.js';
import { LabelSchema, LabelWord } from './common.js';
import {
  ConfidenceSource,
  Correction,
  CorrectionBatch,
  CorrectionLine,
  CorrectionList,
  CorrectionResults,
  ImportReport,
  ItemError,
  NewCorrection,
  ReviewSource,
} from './corrections.js';
import { EmbedRequest, EmbedResponse } from './embed.js';
import { Erasure, ErasureItem, ErasureList, ErasureRequest } from './erasures.js';
import { Health, Probe } from './health.js';
import { LiveShadow, SetLiveShadow } from './live-shadow.js';
import { Model, ModuleList } from './model.js';
import { NliRequest, NliResponse, Pair, Result } from './nli.js';
import { Prediction, PredictionList } from './predictions.js';
import { EmbedProblem, NliProblem, Problem, ProblemList } from './problems.js';
import { Readiness } from './readiness.js';
import { trainingRunComponents } from './training-runs.js';
import {
  ComparisonReport,
  ComparisonSet,
  ComparisonSide,
  Flip,
  GateRule,
  ShadowComparison,
  ShadowComparisonItem,
  ShadowComparisonList,
  ShadowComparisonRequest,
} from './shadow-comparisons.js';
import { Warmup } from './warmup.js';
import { WebhookDelivery, WebhookDeliveryList } from './webhook-deliveries.js';

export const components: readonly TSchema[] = [
  LabelSchema,
  LabelWord,
  Problem,
  NliProblem,
  EmbedProblem,
  ProblemList,
  Pair,
  NliRequest,
  Result,
  NliResponse,
  Model,
  ModuleList,
  Health,
  Probe,
  Warmup,
  EmbedRequest,
  EmbedResponse,
  Prediction,
  PredictionList,
  ReviewSource,
  ConfidenceSource,
  NewCorrection,
  CorrectionBatch,
  CorrectionLine,
  Correction,
  ItemError,
  CorrectionResults,
  CorrectionList,
  ImportReport,
  Readiness,
  WebhookDelivery,
  WebhookDeliveryList,
  ErasureRequest,
  ErasureItem,
  ErasureList,
  Erasure,
  RegisteredAdapter,
  AdapterList,
  ActiveAdapter,
  AdapterHistory,
  AdapterImport,
  PromoteRequest,
  RollbackRequest,
  ...trainingRunComponents,
  ShadowComparisonRequest,
  ShadowComparisonItem,
  ShadowComparisonList,
  ShadowComparison,
  ComparisonReport,
  ComparisonSet,
  ComparisonSide,
  GateRule,
  Flip,
  LiveShadow,
  SetLiveShadow,
  AuditEntry,
  AuditLog,
];
