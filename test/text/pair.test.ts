import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { encodePair } from '../../src/text/pair.js';
import { encodeAll, loadTokenizer, TINY } from './tokenizers.js';

const tokenizer = loadTokenizer(TINY);
const { clsId, sepId } = tokenizer;
const THE = encodeAll(tokenizer, 'the')[0] ?? -1;

/** A text of `n` tokens. */
const words = (n: number): string => Array.from({ length: n }, () => 'the').join(' ');
const tokens = (n: number): number[] => Array.from({ length: n }, () => THE);
const encode = (premise: string, hypothesis: string, maxTokens = 64, maxCharacters = 20_000): unknown =>
  encodePair(tokenizer, { premise, hypothesis }, { maxTokens, maxCharacters });

t.test('truncation cuts the end of the premise and nothing else', (t) => {
  const cases: [name: string, premise: number, hypothesis: number, kept: number | null][] = [
    ['all fits with room to spare', 5, 5, 5],
    ['all fits exactly', 51, 10, 51],
    ['one token too many', 52, 10, 51],
    ['a long premise', 5_000, 10, 51],
    ['exactly 32 tokens are left', 100, 29, 32],
    ['31 are left for a longer premise', 100, 30, null],
    ['31 are left, for a premise of 32', 32, 30, null],
    ['31 are left, and the premise has 31', 31, 30, 31],
    ['1 is left, and the premise has 1', 1, 60, 1],
    ['none is left', 1, 61, null],
    ['the hypothesis alone is too long', 1, 5_000, null],
  ];
  for (const [name, premise, hypothesis, kept] of cases) {
    const encoded = encode(words(premise), words(hypothesis));
    if (kept === null) t.match(encoded, { code: 'hypothesis-too-long' }, name);
    else {
      const ids = Int32Array.of(clsId, ...tokens(kept), sepId, ...tokens(hypothesis), sepId);
      t.strictSame(encoded, { ids, truncated: kept < premise }, name);
    }
  }
  t.end();
});

t.test('a hypothesis that leaves no room costs later texts nothing', (t) => {
  const shared = loadTokenizer(TINY);
  const texts = ['guitar', 'playing an instrument'];
  for (const premise of texts) {
    const pair = { premise, hypothesis: words(5_000) };
    const told = {
      code: 'hypothesis-too-long',
      detail: 'the hypothesis leaves 0 of 64 tokens for the premise, which needs 32',
    };
    t.strictSame(encodePair(shared, pair, { maxTokens: 64, maxCharacters: 20_000 }), told);
    t.strictSame(encodeAll(shared, premise), encodeAll(loadTokenizer(TINY), premise), premise);
  }
  t.end();
});

t.test('a word that is asked for with too small a limit is remembered whole', (t) => {
  const shared = loadTokenizer(TINY);
  for (const limit of [-4, 0]) shared.encode('guitar', limit);
  t.strictSame(encodeAll(shared, 'guitar'), encodeAll(loadTokenizer(TINY), 'guitar'));
  t.end();
});

t.test('a premise cut inside a long word keeps its first pieces', (t) => {
  const whole = encodeAll(tokenizer, 'incomprehensibilities'.repeat(900));
  t.match(encode('incomprehensibilities'.repeat(900), 'the'), { truncated: true });
  const { ids } = encode('incomprehensibilities'.repeat(900), 'the') as { ids: Int32Array };
  t.same([...ids], [clsId, ...whole.slice(0, 60), sepId, THE, sepId]);
  t.end();
});

t.test('the trouble says how little room there is', (t) => {
  t.match(encode(words(100), words(30)), {
    detail: 'the hypothesis leaves 31 of 64 tokens for the premise, which needs 32',
  });
  t.match(encode(words(100), words(500)), {
    detail: 'the hypothesis leaves 0 of 64 tokens for the premise, which needs 32',
  });
  t.end();
});

t.test('characters are counted as Unicode counts them', (t) => {
  t.match(encode('a'.repeat(20_000), 'b'), { truncated: true });
  t.match(encode('🙂'.repeat(20_000), 'b'), { truncated: false });
  t.match(encode('a'.repeat(20_001), 'b'), {
    code: 'premise-too-long',
    detail: 'the premise has 20001 characters; the limit is 20000',
  });
  t.match(encode('a', '🙂'.repeat(20_001)), {
    code: 'hypothesis-too-long',
    detail: 'the hypothesis has 20001 characters; the limit is 20000',
  });
  t.match(encode('a'.repeat(1_000_000), 'b'), { code: 'premise-too-long' });
  t.end();
});

t.test('a text in which nothing is visible is empty', (t) => {
  const blanks = [
    '',
    ' ',
    ' '.repeat(20_000),
    '\t\r\n',
    '\u00a0\u2003\u3000',
    '\u200b\u200d\ufeff',
    '\0\0',
    '\u0007\u007f',
    '\u00ad',
    '▁',
  ];
  for (const blank of blanks) {
    t.match(encode(blank, 'the'), { code: 'premise-empty' }, JSON.stringify(blank.slice(0, 9)));
    t.match(encode('the', blank), { code: 'hypothesis-empty' }, JSON.stringify(blank.slice(0, 9)));
  }
  for (const text of ['.', 'a\0', '☃', '\u200bא', '\ud800'])
    t.match(encode(text, text), { truncated: false }, JSON.stringify(text));
  t.end();
});

t.test('20,000 characters of anything end in an encoding or in a trouble', (t) => {
  const visible = ['a', 'ab', '\u0301', 'e\u0301', '\ufdfa', '\u3300', '☃', '日', '👩‍🔬', '\ud800', 'א', '[SEP]', '$&'];
  const invisible = ['\0', '\u202e', '\u200b', ' ', '\t', '\u3164'];
  const fill = (part: string): string => part.repeat(Math.floor(20_000 / part.length));
  for (const part of visible) t.match(encode(fill(part), 'the', 512), { ids: Int32Array }, JSON.stringify(part));
  for (const part of invisible) t.match(encode(fill(part), 'the'), { code: 'premise-empty' }, JSON.stringify(part));
  t.end();
});

/** Any pair of texts, with special tokens and halves of surrogate pairs among them. */
const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
const special = fc.constantFrom('[SEP]', '[CLS]', ' ', 'the ', '[MASK]', '\u200b');
const part = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), fc.string({ unit }), special);
const text = fc.array(part, { maxLength: 12 }).map((parts) => parts.join(''));

t.test('any pair: [CLS] first, two [SEP], no longer than the limit, the hypothesis whole', (t) => {
  const holds = (premise: string, hypothesis: string, maxTokens: number): void => {
    const encoded = encodePair(tokenizer, { premise, hypothesis }, { maxTokens, maxCharacters: 20_000 });
    if (!('ids' in encoded)) return;
    const ids = [...encoded.ids];
    const second = encodeAll(tokenizer, hypothesis);
    assert.equal(ids[0], clsId);
    assert.equal(ids.filter((id) => id === sepId).length, 2);
    assert.ok(ids.length <= maxTokens);
    assert.deepEqual(ids.slice(-second.length - 2), [sepId, ...second, sepId]);
    assert.equal(encoded.truncated, ids.length < 3 + second.length + encodeAll(tokenizer, premise).length);
  };
  const property = fc.property(text, text, fc.integer({ min: 36, max: 80 }), holds);
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
  t.end();
});
