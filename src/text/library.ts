/**
 * The parts of @huggingface/tokenizers used here. Its own type files import each other without file extensions, which
 * Node's module resolution does not follow, so the classes are declared again.
 */
export { ReplaceNormalizer, Unigram } from '@huggingface/tokenizers';

export interface ReplaceConfig {
  readonly type: 'Replace';
  readonly pattern: { readonly String?: string; readonly Regex?: string };
  readonly content: string;
}

export interface UnigramConfig {
  readonly type: 'Unigram';
  readonly unk_id: number;
  /** Piece and log probability; the index is the token id. */
  readonly vocab: readonly (readonly [string, number])[];
}

/** A node of the trie of pieces, one character a step. */
export interface TrieNode {
  readonly is_leaf: boolean;
  readonly children: ReadonlyMap<string, TrieNode>;
}

declare module '@huggingface/tokenizers' {
  export class ReplaceNormalizer {
    constructor(config: ReplaceConfig);
    normalize(text: string): string;
  }

  export class Unigram {
    readonly tokens_to_ids: ReadonlyMap<string, number>;
    /** Log probabilities by id. */
    readonly scores: readonly number[];
    readonly unk_score: number;
    readonly trie: { readonly root: TrieNode };
    constructor(config: UnigramConfig, eosToken: string);
    /** The most probable pieces of one word; an unknown character stands for itself. */
    tokenize(word: string): string[];
  }
}
