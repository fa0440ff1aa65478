/** The named components of openapi.yaml; every `Ref` points to one of them. */
import type { TSchema } from 'typebox';
import { LabelSchema, LabelWord } from './common.js';
import { EmbedRequest, EmbedResponse } from './embed.js';
import { Health, Probe } from './health.js';
import { Model, ModuleList } from './model.js';
import { NliRequest, NliResponse, Pair, Result } from './nli.js';
import { Prediction, PredictionList } from './predictions.js';
import { EmbedProblem, NliProblem, Problem, ProblemList } from './problems.js';
import { trainingRunComponents } from './training-runs.js';
import { Warmup } from './warmup.js';

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
  ...trainingRunComponents,
];
