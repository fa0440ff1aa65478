/** The rows of a comparison, with their texts. */
import type { Database } from '../db/database.js';
import type { ReviewedRow } from '../evaluation/judged.js';
import { grouped, inTurns } from '../evaluation/turns.js';
import { prepareTrainingData, TURN_MS } from './prepare.js';
import { withTexts } from './texts.js';

/** What is held out, and what is trained on; the latter is read as it is asked for, once. */
export async function readReviews(database: Pick<Database, 'kysely' | 'run'>) {
  const pause = inTurns(TURN_MS);
  const sides = await grouped((await prepareTrainingData(database)).rows, ({ side }) => side, pause);
  const held: ReviewedRow[] = [];
  for await (const { side: _side, ...row } of withTexts(database.kysely, sides.get('validation') ?? [], pause))
    held.push(row);
  return { held, trained: withTexts(database.kysely, sides.get('train') ?? [], pause) };
}
