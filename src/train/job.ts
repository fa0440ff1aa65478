/** What a run's child is to do: the run's pairs as token ids, with the recipe. */
import { readTrainingPairs, type TrainingPair } from '../db/training-run-rows.js';
import type { CheckpointLabel, Label } from '../labels.js';
import type { Recipe } from '../recipe.js';
import type { Encoded } from '../text/text.js';
import type { Fence } from '../db/training-run-acts.js';
import type { RunnerOptions } from './options.js';
import { openStates } from './states.js';
import { unlessStopped } from './stop.js';
import { withReplay } from '../training/replay.js';
import { createJob, type Job } from '../training/supervisor.js';

export interface PreparedJob {
  readonly job: Job;
  /** An event for each pair that cannot be encoded. */
  readonly skipped: readonly ({ readonly type: 'left_out' } & Readonly<Record<string, unknown>>)[];
}

/** Throws when nothing is left to learn from; rejects with Stopped. */
export async function prepareJob(
  options: RunnerOptions,
  fence: Fence,
  recipe: Recipe,
  signal: AbortSignal,
): Promise<PreparedJob> {
  const { checkpoint, code_version, children } = options;
  const pairs = await readTrainingPairs(options.database.kysely, fence.id);
  const texts = pairs.map(({ premise, nli_hypothesis }) => ({ premise, hypothesis: nli_hypothesis }));
  const encoded = await unlessStopped(options.encode(texts, recipe.max_tokens, signal), signal);
  const rows = rowsOf(options.labels, pairs, encoded);
  const { directory, checkpoints: states } = await openStates(options, fence);
  const job = createJob({ checkpoint, recipe, code_version, rows, directory, states, children });
  return { job, skipped: skippedOf(pairs, encoded) };
}

function rowsOf(labels: readonly CheckpointLabel[], pairs: readonly TrainingPair[], encoded: readonly Encoded[]) {
  const of = (kind: TrainingPair['kind']) =>
    pairs.flatMap((pair, i) => {
      const { ids } = encoded[i] as { ids?: Int32Array };
      return ids === undefined || pair.kind !== kind ? [] : [{ ids, label: placeOf(labels, pair.correct_label) }];
    });
  const rows = withReplay(of('correction'), of('confirmation'));
  if (rows.length === 0) throw new Error('none of the corrections can be encoded');
  return rows;
}

const skippedOf = (pairs: readonly TrainingPair[], encoded: readonly Encoded[]): PreparedJob['skipped'] =>
  encoded.flatMap((one, i) =>
    'code' in one ? [{ type: 'left_out', correction_id: pairs[i]?.correction_id, reason: one.code }] : [],
  );

function placeOf(labels: readonly CheckpointLabel[], wanted: Label): number {
  const place = labels.findIndex(({ label }) => label === wanted);
  if (place < 0) throw new Error(`the base model has no label for ${wanted}`);
  return place;
}
