/** Every unit of work the writing thread knows, by the name that `Database.run` takes. */
import { beginComparison, endComparison, insertComparison } from './comparisons.js';
import type { Units } from './group.js';
import { recordPredictions } from './record.js';
import { sweep } from './sweep.js';

export const units = {
  recordPredictions,
  sweep,
  insertComparison,
  beginComparison,
  endComparison,
} satisfies Units;
