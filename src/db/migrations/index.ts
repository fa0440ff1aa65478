/** Every migration under the name it is recorded by; they run in the order of their names, which never change. */
import type { Migration } from 'kysely';
import { predictions } from './0001-predictions.js';
import { corrections } from './0002-corrections.js';
import { trainingRuns } from './0004-training-runs.js';

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-predictions': predictions,
  '0002-corrections': corrections,
  '0004-training-runs': trainingRuns,
};
