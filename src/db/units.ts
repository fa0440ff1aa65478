/** Every unit of work the writing thread knows, by the name that `Database.run` takes. */
import type { Units } from './group.js';
import { recordPredictions } from './record.js';
import { sweep } from './sweep.js';

export const units = { recordPredictions, sweep } satisfies Units;
