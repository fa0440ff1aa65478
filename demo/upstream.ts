/** The upstream service: it has pairs judged. */
import { dataOf, type ErrataClient, type Schemas } from '../client/client.js';
import type { GoldPair } from './data.js';

/** A pair and what was answered. */
export interface Judged {
  readonly pair: GoldPair;
  readonly answer: Schemas['Result'];
}

export interface Judging {
  /** `active`, or an adapter by its version. */
  readonly adapter?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, all: number) => void;
}

/** Requests under way at a time. */
const LANES = 4;
const PAIRS_PER_REQUEST = 64;

/** Judges all pairs, in their order. */
export async function judge(
  client: ErrataClient,
  pairs: readonly GoldPair[],
  { adapter = 'active', signal, onProgress }: Judging,
): Promise<Judged[]> {
  const judged: Judged[] = [];
  let [next, done] = [0, 0];
  const lane = async (): Promise<void> => {
    while (next < pairs.length) {
      const from = next;
      const some = pairs.slice(from, (next += PAIRS_PER_REQUEST));
      const answers = await ask(client, some, adapter, signal);
      some.forEach((pair, i) => (judged[from + i] = { pair, answer: answers[i]! }));
      onProgress((done += some.length), pairs.length);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return judged;
}

async function ask(client: ErrataClient, pairs: readonly GoldPair[], adapter: string, signal: AbortSignal) {
  const body = {
    adapter,
    pairs: pairs.map(({ premise, hypothesis, page_id }) => ({ premise, nli_hypothesis: hypothesis, page_id })),
  };
  const { results } = await dataOf(client.api.POST('/nli', { body, signal }));
  const troubled = results.find(({ error }) => error !== null);
  if (troubled) throw new Error(`a pair of the sample could not be judged: ${troubled.error}`);
  return results;
}
