/** Composition of the training use case: settings, the model folder's own recipe, a tokenizer per run. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { uuidv7 } from 'uuidv7';
import { writeAdapter } from '../../adapters/format.js';
import { registerAdapter, type RegistryParts } from '../../adapters/registry.js';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Comparisons } from '../compare/compare.js';
import type { Config } from '../config.js';
import type { Database } from '../db/database.js';
import type { CheckpointLabel } from '../labels.js';
import { packageVersion } from '../package.js';
import { checkRecipe, layered, type Recipe } from '../recipe.js';
import { type Encoded, openText, type PairTexts } from '../text/text.js';
import { prepareTrainingData } from '../training-data/prepare.js';
import { createTraining, type Training } from './train.js';
import type { TrainedAdapter, TrainingOptions } from './options.js';

export interface TrainingParts {
  readonly checkpoint: Checkpoint;
  /** What a run takes that names no parameter. */
  readonly recipe: Recipe;
  readonly labels: readonly CheckpointLabel[];
  readonly database: Pick<Database, 'run' | 'kysely'>;
  /** Where adapters are kept. */
  readonly registryParts: RegistryParts;
  readonly comparisons: Pick<Comparisons, 'start' | 'wait'>;
  readonly log?: TrainingOptions['log'];
}

const SILENT = { info: () => undefined, error: () => undefined };

/** Opens the use case on the served model. */
export function openTrainingRuns(config: Config, parts: TrainingParts): Training {
  const { maxTokens, dataDir, trainAfter, trainingChildren } = config;
  const { checkpoint, recipe, labels, database, registryParts, comparisons, log = SILENT } = parts;
  return createTraining({
    checkpoint,
    labels,
    database,
    log,
    model: registryParts.base.name,
    recipe,
    maxTokens,
    trainAfter,
    code_version: packageVersion(),
    directory: path.join(dataDir, 'runs'),
    children: trainingChildren ?? availableParallelism(),
    prepare: (options) => prepareTrainingData(database, options),
    encode: (pairs, most, signal) => encodePairs(textFiles(config, most), pairs, signal),
    keepAdapter: (trained) => keepAdapter(registryParts, trained),
    compare: ({ adapter_id, fence }) => comparisons.start({ old: 'active', new: adapter_id, fence }),
    compared: (id) => comparisons.wait(id),
    now: () => new Date().toISOString(),
    newId: uuidv7,
  });
}

function keepAdapter(parts: RegistryParts, { run_id, attempt, adapter, recipe }: TrainedAdapter) {
  const { r, lora_alpha, lora_dropout, layers_to_transform } = recipe;
  const settings = { r, lora_alpha, lora_dropout, layers_to_transform, base_model_name_or_path: parts.base.name };
  const files = writeAdapter(adapter.modules, adapter.head, settings);
  return registerAdapter(parts, { ...files, origin: 'trained', run_id, fence: { id: run_id, attempt } });
}

/** The service's recipe under the model folder's. Rejects with an Error that names errata.json and the key that is wrong in it. */
export const recipeInForce = async ({ model, maxTokens }: Pick<Config, 'model' | 'maxTokens'>): Promise<Recipe> =>
  layered({ max_tokens: maxTokens }, await folderRecipe(model, maxTokens));

/** `training` of the model folder's errata.json: the learning rate belongs to the base. */
async function folderRecipe(folder: string, maxTokens: number): Promise<Partial<Recipe>> {
  const file = path.join(folder, 'errata.json');
  if (!existsSync(file)) return {};
  try {
    const { training = {} } = JSON.parse(await readFile(file, 'utf8')) as { training?: unknown };
    const recipe = checkRecipe(training, 'training.');
    return { ...recipe, max_tokens: Math.min(maxTokens, recipe.max_tokens ?? maxTokens) };
  } catch (cause) {
    throw new Error(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The files of the model's tokenizer. */
export function textFiles({ model }: Pick<Config, 'model'>, maxTokens: number) {
  const tokenizerConfig = path.join(model, 'tokenizer_config.json');
  return {
    tokenizerPath: path.join(model, 'tokenizer.json'),
    tokenizerConfigPath: existsSync(tokenizerConfig) ? tokenizerConfig : null,
    maxTokens,
  };
}

/** Small enough that a tokenizing thread is never taken for stuck. */
const PAIRS_AT_ONCE = 64;

/** A tokenizer of its own: a run's thousands of pairs must not stand before the requests, and its limit may differ. */
async function* encodePairs<P extends PairTexts>(
  files: ReturnType<typeof textFiles>,
  pairs: AsyncIterable<P>,
  signal: AbortSignal,
): AsyncGenerator<[P, Encoded]> {
  signal.throwIfAborted();
  const text = await openText(files);
  try {
    for await (const some of atOnce(pairs, PAIRS_AT_ONCE)) {
      signal.throwIfAborted();
      const encoded = await text.encode(some);
      for (const [at, pair] of some.entries()) yield [pair, encoded[at] as Encoded];
    }
  } finally {
    await text.close();
  }
}

async function* atOnce<T>(items: AsyncIterable<T>, most: number): AsyncGenerator<T[]> {
  let some: T[] = [];
  for await (const item of items) {
    some.push(item);
    if (some.length < most) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
