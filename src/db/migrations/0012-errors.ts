/** The trigger counts the corrections that are errors each time one is stored; this index has all that it looks at. */
import { type Migration, sql } from 'kysely';

export const errors: Migration = {
  async up(db) {
    await sql`create index corrections_that_are_errors on nli_corrections (original_confidence, id, original_label, correct_label)
      where original_label != correct_label`.execute(db);
  },
};
