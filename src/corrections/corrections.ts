/** Corrections put together over one database: storing, lists, export and readiness, as the routes take them. */
import { exportCorrections, getCorrection, listCorrections, type CorrectionListOptions } from '../db/corrections.js';
import { type Correction, type Corrections, type CorrectionsParts, createCorrections } from './correct.js';
import {
  readiness,
  type ReadinessOptions,
  type ReadinessParts,
  type ReadinessReport,
} from '../training-data/readiness.js';

export interface OpenCorrections {
  readonly corrections: Corrections & {
    list(options: CorrectionListOptions): ReturnType<typeof listCorrections>;
    get(id: string): Promise<Correction | undefined>;
    all(): ReturnType<typeof exportCorrections>;
  };
  readonly readiness: (options: ReadinessOptions) => Promise<ReadinessReport>;
}

export function openCorrections(parts: CorrectionsParts & Omit<ReadinessParts, 'database'>): OpenCorrections {
  const { kysely } = parts.database;
  return {
    corrections: {
      ...createCorrections(parts),
      list: (options) => listCorrections(kysely, options),
      get: async (id) => (await getCorrection(kysely, id)) ?? undefined,
      all: () => exportCorrections(kysely),
    },
    readiness: (options) => readiness(parts, options),
  };
}
