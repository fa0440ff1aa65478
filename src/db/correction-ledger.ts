/** The rows as they will be after a unit of work: looked at and changed by each item in turn, written once. */
import type { Kysely } from 'kysely';
import { itemError } from './correction-input.js';
import { type CorrectionRow, type EndedCorrectionRow, type ItemError, sameExport } from './correction-rows.js';
import type { Schema } from './schema.js';

export type Row = CorrectionRow | EndedCorrectionRow;

/** `unchanged`: it was stored before. */
export type Outcome = 'stored' | 'replaced' | 'unchanged';

export type Step = { readonly outcome: Outcome; readonly row: Row } | { readonly error: ItemError };

/** What one reviewer may say once: of a judgement, else of a pair on a page. */
function subjectOf({ prediction_id, pair_sha256, page_id, reviewer }: CorrectionRow): string {
  return JSON.stringify([prediction_id ?? [pair_sha256, page_id ?? ''], reviewer]);
}

const otherContent = (pointer: string): Step => ({
  error: itemError('conflict', pointer, 'names a correction that was stored with other content'),
});

/** What is stored of what comes in. */
export interface Stored {
  readonly current: readonly CorrectionRow[];
  readonly byExternalId: ReadonlyMap<string, Row>;
  readonly byId: ReadonlyMap<string, Row>;
}

export class Ledger {
  readonly #current: Map<string, CorrectionRow>;
  readonly #byExternalId: Map<string, Row>;
  readonly #byId: Map<string, Row>;
  readonly #inserted = new Map<string, CorrectionRow>();
  readonly #ended: EndedCorrectionRow[] = [];
  readonly #now: string;

  constructor({ current, byExternalId, byId }: Stored, now: string) {
    this.#current = new Map(current.map((row) => [subjectOf(row), row]));
    this.#byExternalId = new Map(byExternalId);
    this.#byId = new Map(byId);
    this.#now = now;
  }

  /** What is stored under this external_id, also when it ended since: the answer to a correction that comes again. */
  sentBefore(external_id: string | null | undefined, content: string): Step | null {
    const row = this.#byExternalId.get(external_id ?? '');
    if (row === undefined) return null;
    return row.content_sha256 === content ? { outcome: 'unchanged', row } : otherContent('/external_id');
  }

  /**
   * Takes a new row in, in the place of what its reviewer said before. One that was said at a `told` time does not replace
   * a later one; what is said now is the latest whatever the clock says, which may have been set back.
   */
  put(row: CorrectionRow, told: boolean): Step {
    const same = this.#byId.get(row.id);
    if (same !== undefined) return sameExport(same, row) ? { outcome: 'unchanged', row: same } : otherContent('/id');
    const before = this.#current.get(subjectOf(row));
    if (told && before !== undefined && before.created_at > row.created_at)
      return { error: itemError('conflict', '/created_at', 'is before a stored answer of this reviewer') };
    if (before !== undefined && before.content_sha256 === row.content_sha256 && row.external_id === null)
      return { outcome: 'unchanged', row: before };
    if (before !== undefined) this.#end(before);
    this.#insert(row);
    return { outcome: before === undefined ? 'stored' : 'replaced', row };
  }

  /** As it is after all items: a row of this very unit may have been replaced by a later one. */
  latest(row: Row): Row {
    return this.#byId.get(row.id) ?? row;
  }

  async write(db: Kysely<Schema>): Promise<void> {
    const ids = this.#ended.map(({ id }) => id);
    if (ids.length > 0) await db.deleteFrom('nli_corrections').where('id', 'in', ids).execute();
    if (ids.length > 0) await db.insertInto('nli_correction_history').values(this.#ended).execute();
    const rows = [...this.#inserted.values()];
    if (rows.length > 0) await db.insertInto('nli_corrections').values(rows).execute();
  }

  #insert(row: CorrectionRow): void {
    this.#current.set(subjectOf(row), row);
    this.#inserted.set(row.id, row);
    this.#byId.set(row.id, row);
    if (row.external_id !== null) this.#byExternalId.set(row.external_id, row);
  }

  #end(row: CorrectionRow): void {
    const ended = { ...row, ended_at: this.#now, ended_by: 'replaced' } as const;
    this.#inserted.delete(row.id);
    this.#ended.push(ended);
    this.#byId.set(row.id, ended);
    if (row.external_id !== null) this.#byExternalId.set(row.external_id, ended);
  }
}
