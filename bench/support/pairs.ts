/** Texts of a known number of tokens: common words that the DeBERTa-v3 tokenizer keeps whole. */
const WORDS =
  'the of and to in a is that for it was on are as with they be at this from have or by one had not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know'.split(
    ' ',
  );
const SPECIAL_TOKENS = 3;

export interface BenchPair {
  readonly premise: string;
  readonly nli_hypothesis: string;
}

/** A pair of `tokens` tokens, the special ones included; different for every `seed`. */
export function pairOf(tokens: number, seed: number): BenchPair {
  const hypothesis = Math.floor(tokens / 4);
  return { premise: words(tokens - hypothesis - SPECIAL_TOKENS, seed), nli_hypothesis: words(hypothesis, seed + 7) };
}

const words = (count: number, seed: number): string =>
  Array.from({ length: count }, (_, i) => WORDS[(seed * 31 + i * 17 + ((i * seed) % 13)) % WORDS.length]).join(' ');

/** Random token ids, as many as asked for. */
export const idsOf = (tokens: number, vocabulary: number): Int32Array =>
  Int32Array.from({ length: tokens }, () => 4 + Math.floor(Math.random() * (vocabulary - 4)));
