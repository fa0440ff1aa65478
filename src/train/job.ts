/** What a run's child is to do: the run's pairs as token ids, with the recipe. */
import { type TrainingPair, trainingPairs } from '../db/training-run-rows.js';
import type { CheckpointLabel, Label } from '../labels.js';
import type { Recipe } from '../recipe.js';
import type { Encoded } from '../text/text.js';
import type { Fence } from '../db/training-run-acts.js';
import type { RunnerOptions } from './options.js';
import { openStates } from './states.js';
import { unlessStopped } from './stop.js';
import { withReplay } from '../training/replay.js';
import { createJob, type Job, type JobInput } from '../training/supervisor.js';

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
  const { checkpoint, code_version, children, labels, database, encode } = options;
  const pairs = trainingPairs(database.kysely, fence.id);
  const data = await unlessStopped(dataOf(labels, encode(pairs, recipe.max_tokens, signal)), signal);
  const rows = withReplay(data.correction, data.confirmation);
  if (rows.length === 0) throw new Error('none of the corrections can be encoded');
  const { directory, checkpoints: states } = await openStates(options, fence);
  const job = createJob({ checkpoint, recipe, code_version, rows, directory, states, children });
  return { job, skipped: data.skipped };
}

interface Data extends Record<TrainingPair['kind'], Row[]> {
  readonly skipped: PreparedJob['skipped'][number][];
}

type Row = JobInput['rows'][number];

/** Texts are let go as they are encoded: all of a large table do not fit into memory. */
async function dataOf(
  labels: readonly CheckpointLabel[],
  encoded: AsyncIterable<[TrainingPair, Encoded]>,
): Promise<Data> {
  const data: Data = { correction: [], confirmation: [], skipped: [] };
  for await (const [{ correction_id, kind, correct_label }, one] of encoded)
    if ('code' in one) data.skipped.push({ type: 'left_out', correction_id, reason: one.code });
    else data[kind].push({ ids: one.ids, label: placeOf(labels, correct_label) });
  return data;
}

function placeOf(labels: readonly CheckpointLabel[], wanted: Label): number {
  const place = labels.findIndex(({ label }) => label === wanted);
  if (place < 0) throw new Error(`the base model has no label for ${wanted}`);
  return place;
}
