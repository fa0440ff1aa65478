/** One call of encode() on its way to a worker, and how several share a message. */
import { Problem } from '../errors.js';
import type { Encoded, PairTexts } from './types.js';

export interface TextRequest {
  /** Premise, hypothesis, premise, hypothesis, … */
  readonly texts: readonly string[];
  readonly characters: number;
  /** Workers lost while they had it. */
  losses: number;
  resolve(encodings: Encoded[]): void;
  reject(error: Error): void;
}

/** Small requests share a message up to this many characters, so that none waits long behind its neighbours. */
const BATCH_CHARACTERS = 100_000;
const MAX_LOSSES = 2;

export function createRequest(
  pairs: readonly PairTexts[],
  resolve: (encodings: Encoded[]) => void,
  reject: (error: Error) => void,
): TextRequest {
  const texts = pairs.flatMap((pair) => [pair.premise, pair.hypothesis]);
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  return { texts, characters, losses: 0, resolve, reject };
}

export function countCharacters(requests: readonly TextRequest[]): number {
  return requests.reduce((sum, request) => sum + request.characters, 0);
}

/** Takes the next batch off the front. A request that saw a worker die goes alone: it may be what kills them. */
export function takeBatch(waiting: TextRequest[]): TextRequest[] {
  const fits = (sum: number): boolean => waiting[0]?.losses === 0 && sum + waiting[0].characters <= BATCH_CHARACTERS;
  const batch = waiting.splice(0, 1);
  let characters = batch[0]?.characters ?? 0;
  while (batch[0]?.losses === 0 && fits(characters)) {
    const [next] = waiting.splice(0, 1);
    if (next !== undefined) batch.push(next);
    characters += next?.characters ?? 0;
  }
  return batch;
}

/** Deals a batch's encodings out to its requests. */
export function settleBatch(batch: readonly TextRequest[], encodings: readonly Encoded[]): void {
  let start = 0;
  for (const request of batch) {
    const end = start + request.texts.length / 2;
    request.resolve(encodings.slice(start, end));
    start = end;
  }
}

/** Of the requests a lost worker had, those worth another attempt; the others are rejected. */
export function keepForRetry(batch: readonly TextRequest[], cause: Error): TextRequest[] {
  return batch.filter((request) => {
    request.losses += 1;
    const keep = request.losses < MAX_LOSSES;
    if (!keep) request.reject(new Problem('unavailable', 'the tokenizer was lost twice over this request', { cause }));
    return keep;
  });
}
