/** One text to the ids of its pieces, exactly as Hugging Face's Rust library would if no token were special in a text. */
import type { Definition, Metaspace } from './definition.js';
import { Unigram } from './library.js';
import { compileNormalizer, wellFormed } from './normalizer.js';
import { findPieces } from './search.js';
import { rememberWords, type WordEncoder } from './words.js';

export interface Tokenizer {
  readonly clsId: number;
  readonly sepId: number;
  normalize(text: string): string;
  /** Ids of a normalised text, [tokens]. Where there are more than `limit`, more than `limit` come, of which so many are right. */
  encode(normalized: string, limit: number): number[];
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');

/** SentencePiece's fallback: the pieces <0x00>…<0xFF> of the text's UTF-8; null when the vocabulary lacks one. */
function bytesOf(text: string, ids: ReadonlyMap<string, number>): number[] | null {
  const found = Array.from(Buffer.from(text), (byte) => ids.get(`<0x${hex(byte)}>`));
  return found.every((id) => id !== undefined) ? found : null;
}

/** A run of unknown characters is one unknown token, or the bytes of the whole run. */
function unigramEncoder({ model, byteFallback }: Definition): WordEncoder {
  const unigram = new Unigram(model, '');
  const unknown = (run: string): number[] =>
    (byteFallback ? bytesOf(run, unigram.tokens_to_ids) : null) ?? [model.unk_id];
  return (word, limit) =>
    findPieces(unigram, word, limit).flatMap((piece) => (typeof piece === 'string' ? unknown(piece) : piece));
}

/** Words of a text: each begins with the replacement, which stands for the space before it. */
function* splitWords(normalized: string, { replacement, prepend }: Metaspace): Generator<string> {
  const spaced = normalized.replaceAll(' ', replacement);
  const text = prepend && !spaced.startsWith(replacement) ? replacement + spaced : spaced;
  let start = 0;
  while (start < text.length) {
    const next = text.indexOf(replacement, start + 1);
    const end = next < 0 ? text.length : next;
    yield text.slice(start, end);
    start = end;
  }
}

function encodeText(normalized: string, limit: number, metaspace: Metaspace, encodeWord: WordEncoder): number[] {
  const out: number[] = [];
  if (normalized === '') return out;
  for (const word of splitWords(normalized, metaspace)) {
    for (const id of encodeWord(word, limit - out.length)) out.push(id);
    if (out.length > limit) break;
  }
  return out;
}

/** Throws, naming the reason, when the definition asks for something not supported. */
export function createTokenizer(definition: Definition): Tokenizer {
  const { clsId, sepId, metaspace } = definition;
  const normalize = compileNormalizer(definition.normalizer);
  const encodeWord = rememberWords(unigramEncoder(definition));
  return {
    clsId,
    sepId,
    normalize: (text) => normalize(wellFormed(text)),
    encode: (normalized, limit) => encodeText(normalized, limit, metaspace, encodeWord),
  };
}
