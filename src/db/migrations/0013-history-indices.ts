import type { Migration } from 'kysely';

/** What an erasure looks for in the history, which is never forgotten: without these each of its units reads all of it. */
export const historyIndices: Migration = {
  async up(db) {
    for (const column of ['page_id', 'pair_sha256', 'prediction_id'])
      await db.schema
        .createIndex(`correction_history_by_${column}`)
        .on('nli_correction_history')
        .column(column)
        .execute();
  },
};
