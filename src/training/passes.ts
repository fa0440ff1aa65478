/** What each precision of a run computes in integers. */
import type { Passes } from '../graph/linears.js';
import type { TrainingPrecision } from '../recipe.js';

export const PASSES: Readonly<Record<TrainingPrecision, Passes>> = {
  float32: { forward: 'float32', backward: 'float32' },
  int8_backward: { forward: 'float32', backward: 'int8' },
  int8_forward: { forward: 'int8', backward: 'float32' },
  int8: { forward: 'int8', backward: 'int8' },
};
