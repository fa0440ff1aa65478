/** Learning put together: reviews → training runs → adapters → shadow comparisons → promotion. */
import path from 'node:path';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { type Comparisons, createComparisons } from './compare/compare.js';
import type { Config } from './config.js';
import { type OpenCorrections, openCorrections } from './corrections/corrections.js';
import type { Database } from './db/database.js';
import { trainedIds } from './db/training-data.js';
import type { Engine } from './engine/engine.js';
import type { Judge } from './judge/judge.js';
import type { CheckpointLabel } from './labels.js';
import { type OpenRegistryParts, openRegistry, type Registry } from './registry.js';
import type { Text } from './text/text.js';
import { openTrainingRuns, recipeInForce } from './train/open.js';
import type { Training } from './train/train.js';
import { readReviews } from './training-data/reviews.js';
import type { Log } from './log.js';

export interface LearningParts {
  readonly config: Config;
  readonly checkpoint: Checkpoint;
  readonly labels: readonly CheckpointLabel[];
  readonly database: Database;
  readonly text: Text;
  readonly engine: Engine;
  readonly log: Log;
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of performance.now(). */
  readonly monotonic: () => number;
}

/** Adapters, and the comparisons of two of them: each needs the other. */
export interface Adapters {
  readonly registry: Registry;
  readonly comparisons: Comparisons;
}

export async function openAdapters(parts: LearningParts): Promise<Adapters> {
  const { database, text, engine, labels, newId, now, monotonic, log } = parts;
  const base = baseOf(parts);
  const latestComparison: OpenRegistryParts['latestComparison'] = async (newer, older) => {
    const found = await comparisons.latest(newer, older);
    return found?.verdict ? { id: found.id, verdict: found.verdict } : null;
  };
  const { dataDir } = parts.config;
  const registry = await openRegistry({ dataDir, database, base, engine, newId, now, latestComparison });
  const comparisons = createComparisons({
    database,
    text,
    engine: { classify: registry.classify, status: () => engine.status() },
    labels,
    base: { name: base.name, digest: base.digest },
    adapters: registry,
    reviews: () => readReviews(database),
    gate: gateOf(parts.config),
    newId,
    now,
    monotonic,
    failed: (error, id) => log.error({ err: error, comparison: id }, 'a shadow comparison failed'),
  });
  return { registry, comparisons };
}

const gateOf = (config: Config) => ({
  loss_percent: config.gateLossPercent,
  alpha: config.gateAlpha,
  lower_limit: config.gateLowerLimit,
  least_rows: config.gateMinRows,
  least_pages: config.gateMinPages,
});

const baseOf = ({ config, checkpoint }: LearningParts) => ({
  name: path.basename(config.model),
  digest: checkpoint.digest,
  config: checkpoint.config,
});

export interface Learning extends OpenCorrections {
  readonly training: Training;
}

/** Corrections with the training that follows from them. Goes on with the runs that an earlier end left. */
export async function openLearning(parts: LearningParts, adapters: Adapters, judge: Judge): Promise<Learning> {
  const { config, checkpoint, labels, database, newId, now, log } = parts;
  const recipe = await recipeInForce(config);
  const corrections = openCorrections({
    database,
    judge,
    modelDigest: checkpoint.digest,
    now,
    newId,
    recipe,
    gate: gateOf(config),
    trained: () => trainedIds(database.kysely, checkpoint.digest),
  });
  const registryParts = { dataDir: config.dataDir, database, base: baseOf(parts), newId, now };
  const { comparisons } = adapters;
  const training = openTrainingRuns(config, { checkpoint, recipe, labels, database, registryParts, comparisons, log });
  corrections.corrections.onStored(() => training.correctionsStored());
  return { ...corrections, training };
}
