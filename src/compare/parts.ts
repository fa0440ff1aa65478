/** What shadow comparisons need of their surroundings. */
import type { Database } from '../db/database.js';
import type { AdapterRef } from '../db/prediction-rows.js';
import type { ReportParts } from './report.js';

export interface ComparisonParts extends ReportParts {
  readonly database: Pick<Database, 'run' | 'kysely'>;
  /** The adapter of that name (`active`, a version, an id); null for the base model, undefined when there is none. */
  readonly adapters: { resolve(name: string): Promise<AdapterRef | null | undefined> };
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of a comparison that failed, and, with null, when its state could not be stored. */
  readonly failed?: (error: unknown, id: string | null) => void;
}

/** ISO 8601, UTC, milliseconds. */
export const timeOf = ({ now }: Pick<ComparisonParts, 'now'>): string => new Date(now()).toISOString();
