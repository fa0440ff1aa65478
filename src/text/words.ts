/** Words to ids, remembering the words met lately: searching costs some microseconds each, and texts repeat most of theirs. */

/** A generation holds at most this much; two are kept. Longer words are rare and not remembered. */
export interface CacheLimits {
  readonly words: number;
  readonly characters: number;
  readonly wordLength: number;
}

const LIMITS: CacheLimits = { words: 50_000, characters: 500_000, wordLength: 64 };

/** Ids of a word; of a very long one, only as many as are needed for more than `limit`. */
export type WordEncoder = (word: string, limit: number) => readonly number[];

/**
 * `encode` with a bounded memory: when the young generation is full it becomes the old one and the former old one is
 * dropped, so what was used since then survives. Exact only because a word's ids depend on nothing but the word: what is
 * remembered is encoded without a limit.
 */
export function rememberWords(encode: WordEncoder, limits: CacheLimits = LIMITS): WordEncoder {
  let young = new Map<string, readonly number[]>();
  let old = young;
  let characters = 0;
  const remember = (word: string, ids: readonly number[]): void => {
    if (young.size >= limits.words || characters + word.length > limits.characters) {
      [old, young, characters] = [young, new Map(), 0];
    }
    // A slice keeps the whole text it was cut from alive, so a copy is kept.
    young.set(Buffer.from(word).toString(), ids);
    characters += word.length;
  };
  return (word, limit) => {
    if (word.length > limits.wordLength) return encode(word, limit);
    const fresh = young.get(word);
    if (fresh !== undefined) return fresh;
    const ids = old.get(word) ?? encode(word, Infinity);
    remember(word, ids);
    return ids;
  };
}
