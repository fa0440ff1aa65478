/** What is measured of every contender: shapes, single pairs of texts, and real pairs of mixed lengths. */
import type { PairTexts } from '../../src/text/text.js';
import { idsOf as randomIds, pairOf } from '../support/pairs.js';
import { type Contender, type Rows, chunks } from './contenders.js';
import { type Work, interleaved } from './interleave.js';

export const SHAPES = [
  [1, 32],
  [1, 64],
  [1, 128],
  [8, 64],
  [8, 128],
  [32, 64],
] as const;

/** Milliseconds of each round by contender. */
export type Times = Readonly<Record<string, readonly number[]>>;

/** A batch of sequences of one length, already tokenised. */
export async function shapeTimes(contenders: readonly Contender[], vocabulary: number, rounds: number) {
  const times: Record<string, Times> = {};
  for (const [rows, tokens] of SHAPES) {
    const batch = Array.from({ length: rows }, () => randomIds(tokens, vocabulary));
    times[`${rows}x${tokens}`] = await interleaved(tokenWorks(contenders, batch), rounds, {
      again: rows === 1 ? 2 : 0,
    });
  }
  return times;
}

/** One pair of texts of 64 tokens at a time, another one in every round. */
export function pairTimes(contenders: readonly Contender[], rounds: number): Promise<Times> {
  let seed = 0;
  const works = contenders.flatMap(({ name, texts, least }) => {
    if (!texts || least > 1) return [];
    const work: Work = async () => {
      const { premise, nli_hypothesis: hypothesis } = pairOf(64, ++seed);
      return (await texts([{ premise, hypothesis }])).ms;
    };
    return [[name, work] as const];
  });
  return interleaved(Object.fromEntries(works), rounds, { again: 2 });
}

/** All of `rows`, each contender in batches as large as it is given them. */
export const mixedTokenTimes = (contenders: readonly Contender[], rows: Rows, rounds: number): Promise<Times> =>
  interleaved(tokenWorks(contenders, rows), rounds, { warmUp: 1 });

/** The same from texts, by contenders that are warm. */
export function mixedTextTimes(contenders: readonly Contender[], pairs: readonly PairTexts[], rounds: number) {
  const works = contenders.flatMap(({ name, batch, texts }) =>
    texts ? [[name, () => sum(chunks(pairs, batch), texts)] as const] : [],
  );
  return interleaved(Object.fromEntries(works), rounds, { warmUp: 0 });
}

function tokenWorks(contenders: readonly Contender[], rows: Rows): Record<string, Work> {
  const works = contenders.flatMap(({ name, batch, least, tokens }) =>
    tokens && rows.length >= least ? [[name, () => sum(chunks(rows, batch), tokens)] as const] : [],
  );
  return Object.fromEntries(works);
}

/** One batch after the other. */
async function sum<T>(batches: readonly T[], run: (batch: T) => Promise<{ ms: number }>): Promise<number> {
  let ms = 0;
  for (const batch of batches) ms += (await run(batch)).ms;
  return ms;
}

/** Largest difference of a logit from the first contender's, for sequences that all have tokenised alike. */
export async function differences(contenders: readonly Contender[], vocabulary: number) {
  const batch = [12, 40, 64].map((tokens) => randomIds(tokens, vocabulary));
  const found = new Map<string, readonly number[]>();
  for (const { name, tokens } of contenders) if (tokens) found.set(name, (await tokens(batch)).logits!.flat());
  const [reference = []] = found.values();
  return Object.fromEntries([...found].slice(1).map(([name, logits]) => [name, difference(logits, reference)]));
}

const difference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
