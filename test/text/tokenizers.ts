/** The two tokenizers the tests encode with, read as a worker reads them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readDefinition } from '../../src/text/definition.js';
import { createTokenizer, type Tokenizer } from '../../src/text/tokenizer.js';

/** A path in the repository; the compiled tests run from dist/. */
export function locate(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(locate(path), 'utf8'));
}

export const DEBERTA = 'test/golden/tokenizer';
export const TINY = 'models/nli-deberta-v3-tiny';

export function loadTokenizer(directory: string): Tokenizer {
  return createTokenizer(readDefinition(readJson(`${directory}/tokenizer.json`), { cls: '[CLS]', sep: '[SEP]' }));
}

/** All ids of a text, without [CLS] and [SEP]. */
export function encodeAll(tokenizer: Tokenizer, text: string): number[] {
  return tokenizer.encode(tokenizer.normalize(text), Infinity);
}
