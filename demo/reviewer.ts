/** The reviewer: looks at what the model was sure of, corrects what is wrong and confirms what is right. */
import { dataOf, type ErrataClient } from '../client/client.js';
import type { Judged } from './upstream.js';

/** Less sure answers are not looked at: corrections of them are not trained on by default. */
export const SURE = 0.8;

export interface Reviewed {
  readonly corrections: number;
  readonly confirmations: number;
  readonly stored: number;
}

const PER_REQUEST = 500;

export const isRight = ({ pair, answer }: Judged): boolean => answer.label === pair.label;
export const isSure = ({ answer }: Judged): boolean => answer.confidence > SURE;

/**
 * Stores a confirmation of every right answer above 0.8 and as many corrections of wrong ones, by their prediction_id: a
 * run that learns from both then has one for each.
 */
export async function review(client: ErrataClient, judged: readonly Judged[], signal: AbortSignal): Promise<Reviewed> {
  const sure = judged.filter(isSure);
  const right = sure.filter(isRight);
  const wrong = spread(
    sure.filter((one) => !isRight(one)),
    right.length,
  );
  const looked = [...wrong, ...right];
  const all = looked.map(({ pair, answer }) => ({
    prediction_id: answer.prediction_id,
    correct_label: pair.label,
    reviewer: 'demo',
  }));
  let stored = 0;
  for (let from = 0; from < all.length; from += PER_REQUEST) {
    const body = { corrections: all.slice(from, from + PER_REQUEST) };
    const answer = await dataOf(client.api.POST('/corrections', { body, signal }));
    if (!('results' in answer)) throw new Error('a batch of corrections was answered as one');
    const refused = answer.results.find(({ error }) => error !== null);
    if (refused) throw new Error(`a correction was refused: ${refused.error?.detail}`);
    stored += answer.results.length;
  }
  return { corrections: wrong.length, confirmations: right.length, stored };
}

/** At most `count` of them, evenly from first to last. */
function spread<T>(items: readonly T[], count: number): T[] {
  const share = Math.min(1, count / items.length);
  return items.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share));
}
