/** Every unit of work the writing thread knows, by the name that `Database.run` takes. */
import type { Units } from './group.js';
import { recordPredictions } from './record.js';
import { sweep } from './sweep.js';
import {
  beginTrainingRun,
  cancelTrainingRun,
  crashTrainingRun,
  endTrainingRun,
  noteTrainingRun,
  parkTrainingRun,
  startTrainingRun,
} from './training-runs.js';

export const units = {
  recordPredictions,
  sweep,
  startTrainingRun,
  beginTrainingRun,
  noteTrainingRun,
  endTrainingRun,
  crashTrainingRun,
  parkTrainingRun,
  cancelTrainingRun,
} satisfies Units;
