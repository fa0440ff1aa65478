/** How a run comes into the queue: a recipe that fits the model, and the data as they are now. */
import { failpoint } from '../failpoints.js';
import { Problem } from '../errors.js';
import type { StartedRun } from '../db/training-runs.js';
import { checkRecipe, layered, type Recipe } from '../recipe.js';
import type { Actor } from '../roles.js';
import type { TrainingOptions } from './options.js';

/** Throws Problem 'invalid-request' for a parameter that its limit or the model refuses. */
export function recipeOf({ recipe, maxTokens, checkpoint }: TrainingOptions, parameters: unknown): Recipe {
  const whole = layered(recipe, checkRecipe(parameters, '/parameters/'));
  if (whole.max_tokens > maxTokens)
    throw refused('max_tokens', `must be at most ${maxTokens} (ERRATA_MAX_TOKENS): longer pairs are never judged`);
  const { layers } = checkpoint.config;
  if (whole.layers_to_transform?.some((layer) => layer >= layers))
    throw refused('layers_to_transform', `must be below ${layers}: the model has so many layers`);
  return whole;
}

function refused(parameter: keyof Recipe, detail: string): Problem {
  const pointer = `/parameters/${parameter}`;
  return new Problem('invalid-request', `${pointer} ${detail}`, {
    errors: [{ pointer, detail }],
  });
}

export interface Enqueued {
  readonly recipe: Recipe;
  readonly force: boolean;
  readonly exclude: readonly string[];
  readonly actor: string | null;
  readonly by: Actor;
  readonly when_new: number | null;
}

/** Rejects with Problem 'conflict' for a request when too few corrections are usable; the trigger is told how many it lacks. */
export async function enqueue(options: TrainingOptions, { recipe, exclude, ...rest }: Enqueued): Promise<StartedRun> {
  const { database, checkpoint, model, code_version } = options;
  const { rows, left_out } = await options.prepare({ min_confidence: recipe.min_confidence, exclude });
  const { seed, replay, min_corrections } = recipe;
  const started = await database.run('startTrainingRun', {
    ...rest,
    id: options.newId(),
    at: options.now(),
    base_model: model,
    base_digest: checkpoint.digest,
    code_version,
    parameters: recipe,
    seed,
    replay,
    min_corrections,
    rows: rows.map(({ correction_id, side, kind }) => ({ correction_id, side, kind })),
    left_out,
  });
  failpoint('run.opened');
  return started;
}
