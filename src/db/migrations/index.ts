/** Every migration under the name it is recorded by; they run in the order of their names, which never change. */
import type { Migration } from 'kysely';
import { predictions } from './0001-predictions.js';
import { corrections } from './0002-corrections.js';
import { adapters } from './0003-adapters.js';
import { trainingRuns } from './0004-training-runs.js';
import { comparisons } from './0005-comparisons.js';
import { access } from './0006-access.js';
import { outbox } from './0007-outbox.js';
import { erasure } from './0008-erasure.js';
import { leases } from './0010-leases.js';
import { liveShadow } from './0011-live-shadow.js';
import { errors } from './0012-errors.js';
import { historyIndices } from './0013-history-indices.js';

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-predictions': predictions,
  '0002-corrections': corrections,
  '0003-adapters': adapters,
  '0004-training-runs': trainingRuns,
  '0005-comparisons': comparisons,
  '0006-access': access,
  '0007-outbox': outbox,
  '0008-erasure': erasure,
  '0010-leases': leases,
  '0011-live-shadow': liveShadow,
  '0012-errors': errors,
  '0013-history-indices': historyIndices,
};
