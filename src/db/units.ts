/** Every unit of work the writing thread knows, by the name that `Database.run` takes. */
import { insertAdapter } from './adapters.js';
import { insertKey, revokeKey, rotateKey } from './api-keys.js';
import { moveAlias } from './adapter-alias.js';
import { beginComparison, endComparison, insertComparison } from './comparisons.js';
import { eraseAnswers, eraseFlips } from './erase-copies.js';
import { eraseSome } from './erase-rows.js';
import { beginErasure, endErasure } from './erasures.js';
import type { Units } from './group.js';
import { endLiveShadow, noteLiveShadow, setLiveShadow } from './live-shadows.js';
import { noteAttempt, replayDelivery, spreadEvents } from './outbox.js';
import { recordPredictions } from './record.js';
import { storeCorrections } from './store-corrections.js';
import { storeSides } from './training-data.js';
import { sweep } from './sweep.js';
import { withdrawCorrection } from './withdraw-correction.js';
import { cancelTrainingRun, endTrainingRun, noteTrainingRun, parkTrainingRun } from './training-run-acts.js';
import { claimTrainingRun, crashTrainingRun, renewTrainingRun } from './training-run-leases.js';
import { startTrainingRun } from './training-runs.js';

export const units = {
  recordPredictions,
  sweep,
  storeCorrections,
  withdrawCorrection,
  storeSides,
  insertAdapter,
  moveAlias,
  startTrainingRun,
  claimTrainingRun,
  renewTrainingRun,
  noteTrainingRun,
  endTrainingRun,
  crashTrainingRun,
  parkTrainingRun,
  cancelTrainingRun,
  insertComparison,
  beginComparison,
  endComparison,
  setLiveShadow,
  noteLiveShadow,
  endLiveShadow,
  spreadEvents,
  noteAttempt,
  replayDelivery,
  beginErasure,
  eraseSome,
  eraseAnswers,
  eraseFlips,
  endErasure,
  insertKey,
  rotateKey,
  revokeKey,
} satisfies Units;
