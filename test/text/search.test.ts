import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { Unigram } from '../../src/text/library.js';
import { findPieces } from '../../src/text/search.js';
import { DEBERTA, encodeAll, loadTokenizer, readJson, TINY } from './tokenizers.js';

interface TokenizerJson {
  readonly model: { readonly type: 'Unigram'; readonly unk_id: number; readonly vocab: [string, number][] };
}

/** The library's pieces, unknown neighbours joined. */
function byLibrary(unigram: Unigram, word: string): (number | string)[] {
  const pieces: (number | string)[] = [];
  for (const piece of unigram.tokenize(word)) {
    const id = unigram.tokens_to_ids.get(piece);
    const last = pieces.at(-1);
    if (id === undefined && typeof last === 'string') pieces[pieces.length - 1] = last + piece;
    else pieces.push(id ?? piece);
  }
  return pieces;
}

for (const directory of [TINY, DEBERTA]) {
  t.test(`${directory}: the same pieces as the library's search`, (t) => {
    const { model } = readJson(`${directory}/tokenizer.json`) as TokenizerJson;
    const unigram = new Unigram(model, '');
    const known = fc.integer({ min: 300, max: model.vocab.length - 1 }).map((id) => model.vocab[id]?.[0] ?? '');
    const word = fc.array(fc.oneof(known, fc.string({ unit: 'binary' }), fc.constantFrom('a', '☃')), { maxLength: 20 });
    const same = fc.property(word, (parts) => {
      const text = parts.join('');
      assert.deepEqual(findPieces(unigram, text, Infinity), byLibrary(unigram, text));
    });
    t.doesNotThrow(() => fc.assert(same, { numRuns: 300 }));
    t.end();
  });
}

t.test('a long word, cut short: the first ids are those of the whole', (t) => {
  const tokenizer = loadTokenizer(TINY);
  const words = [
    'a'.repeat(2_000),
    'unbelievably'.repeat(200),
    'therein'.repeat(300),
    '☃x'.repeat(900),
    `${'☃'.repeat(999)}therein`,
  ];
  for (const word of words) {
    const whole = encodeAll(tokenizer, word);
    for (let limit = 0; limit <= whole.length; limit += 1) {
      const some = tokenizer.encode(word, limit);
      assert.deepEqual(some.slice(0, limit), whole.slice(0, limit), `${word.slice(0, 12)} to ${limit}`);
      assert.equal(some.length > limit, whole.length > limit, `${word.slice(0, 12)} to ${limit}`);
    }
    t.pass(`${word.slice(0, 12)}… to any of ${whole.length}`);
  }
  t.ok(tokenizer.encode('a'.repeat(20_000), 509).length < 1_000, 'most of the word is not looked at');
  t.end();
});
