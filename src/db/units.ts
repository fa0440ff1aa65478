/** Every unit of work the writing thread knows, by the name that `Database.run` takes. */
import { insertAdapter } from './adapters.js';
import { moveAlias } from './adapter-alias.js';
import type { Units } from './group.js';
import { recordPredictions } from './record.js';
import { sweep } from './sweep.js';

export const units = { recordPredictions, sweep, insertAdapter, moveAlias } satisfies Units;
