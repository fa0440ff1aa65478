/** Which tokenizers are refused, with the file and the reason, and which variants of one are read. */
import path from 'node:path';
import t from 'tap';
import { readDefinition } from '../../src/text/definition.js';
import { openText } from '../../src/text/text.js';
import { createTokenizer, type Tokenizer } from '../../src/text/tokenizer.js';
import { encodeAll, loadTokenizer, locate, readJson, TINY } from './tokenizers.js';

type Entries = Readonly<Record<string, unknown>>;

const TINY_JSON = readJson(`${TINY}/tokenizer.json`) as Entries & {
  model: Entries & { vocab: unknown[] };
  added_tokens: Entries[];
};
const { model, added_tokens: added } = TINY_JSON;
const load = (changes: Entries): Tokenizer =>
  createTokenizer(readDefinition({ ...TINY_JSON, ...changes }, { cls: '[CLS]', sep: '[SEP]' }));
const metaspace = (changes: Entries): Entries => ({
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', ...changes },
});
const template = (pair: unknown[]): Entries => ({
  post_processor: {
    type: 'TemplateProcessing',
    pair,
    special_tokens: { '[CLS]': { ids: [1] }, '[SEP]': { ids: [2] } },
  },
});
const cls = { SpecialToken: { id: '[CLS]' } };
const sep = { SpecialToken: { id: '[SEP]' } };
const [A, B] = [{ Sequence: { id: 'A' } }, { Sequence: { id: 'B' } }];

t.test('a definition that would not be encoded as in training is refused by name', (t) => {
  const cases: [changes: Entries, reason: RegExp][] = [
    [{ model: undefined }, /^model is not an object$/],
    [{ model: { ...model, type: 'BPE' } }, /^model type BPE is not supported/],
    [{ model: { ...model, type: undefined } }, /^model\.type is not a string$/],
    [{ model: { ...model, vocab: {} } }, /^model\.vocab is not a list$/],
    [{ model: { ...model, vocab: [['a', '0']] } }, /^model\.vocab is not a number$/],
    [{ model: { ...model, unk_id: null } }, /^model\.unk_id is not a number$/],
    [{ model: { ...model, unk_id: 12_000 } }, /^model\.unk_id 12000 is outside the vocabulary$/],
    [{ added_tokens: [] }, /^added_tokens has no \[CLS\]$/],
    [{ added_tokens: added.slice(0, 2) }, /^added_tokens has no \[SEP\]$/],
    [{ added_tokens: [...added, { id: 7, content: 'more', special: false }] }, /^added token more is not special/],
    [{ added_tokens: [{ id: -1, content: '[CLS]', special: true }] }, /^added_tokens\.id is not a token id$/],
    [{ normalizer: { type: 'Prepend', prepend: '_' } }, /^normalizer type Prepend is not supported$/],
    [{ normalizer: { type: 'toString' } }, /^normalizer type toString is not supported$/],
    [{ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }, /^precompiled_charsmap is damaged$/],
    [{ pre_tokenizer: null }, /^pre_tokenizer is not an object$/],
    [{ pre_tokenizer: { type: 'ByteLevel' } }, /^pre_tokenizer type ByteLevel is not supported$/],
    [metaspace({ split: false }), /^pre_tokenizer\.split false is not supported$/],
    [metaspace({ replacement: '' }), /^pre_tokenizer\.replacement is not a mark of its own$/],
    [metaspace({ replacement: ' ' }), /^pre_tokenizer\.replacement is not a mark of its own$/],
    [{ post_processor: { type: 'RobertaProcessing' } }, /^post_processor type RobertaProcessing is not supported$/],
    [template([cls, A, sep, sep, B, sep]), /^post_processor makes "1 A 2 2 B 2" of a pair/],
    [template([A, B]), /^post_processor makes "A B" of a pair/],
  ];
  for (const [changes, reason] of cases) t.throws(() => load(changes), { message: reason }, String(reason));
  t.end();
});

t.test('other ways of saying the same are read', (t) => {
  const text = 'The café, again.';
  const ids = encodeAll(loadTokenizer(TINY), text);
  const same: Entries[] = [
    { post_processor: null },
    template([cls, A, sep, B, sep]),
    metaspace({ add_prefix_space: true, str_rep: '▁' }),
    { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Metaspace', replacement: '▁' }] } },
  ];
  for (const changes of same) t.same(encodeAll(load(changes), text), ids, JSON.stringify(changes).slice(0, 60));
  t.not(encodeAll(load(metaspace({ add_prefix_space: false })), text)[0], ids[0]);
  t.end();
});

t.test('normalisers do as the Rust library does', (t) => {
  const cases: [normalizer: unknown, text: string, normalized: string][] = [
    [null, ' A ', ' A '],
    [{ type: 'Strip', strip_left: true, strip_right: true }, '\u0085 a b \u3000', 'a b'],
    [{ type: 'Strip', strip_left: true, strip_right: true }, '\ufeffa\ufeff', '\ufeffa\ufeff'],
    [{ type: 'Strip', strip_left: false, strip_right: true }, ' a ', ' a'],
    [{ type: 'Strip', strip_left: true, strip_right: false }, ' a ', 'a '],
    [{ type: 'Lowercase' }, 'ΟΔΟΣ', 'οδοσ'],
    [{ type: 'NFC' }, 'e\u0301', 'é'],
    [{ type: 'NFD' }, 'é', 'e\u0301'],
    [{ type: 'NFKC' }, 'ﬁ①', 'fi1'],
    [{ type: 'NFKD' }, 'ﬁé', 'fie\u0301'],
    [{ type: 'Replace', pattern: { String: 'a.' }, content: '$&' }, 'a.ab', '$&ab'],
    [{ type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }, 'a   b c', 'a b c'],
    [{ type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }] }, 'Ａ', 'a'],
  ];
  for (const [normalizer, text, normalized] of cases) {
    t.equal(load({ normalizer }).normalize(text), normalized, JSON.stringify([normalizer, text]));
  }
  t.end();
});

t.test('with byte_fallback an unknown character is the bytes of its UTF-8, where all are in the vocabulary', (t) => {
  const bytes = Array.from({ length: 256 }, (_, i) => [`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`, -30]);
  const first = model.vocab.length;
  const tokenizer = load({ model: { ...model, byte_fallback: true, vocab: [...model.vocab, ...bytes] } });
  const [space] = encodeAll(tokenizer, '☃');
  t.same(encodeAll(tokenizer, '☃☃'), [space, ...[0xe2, 0x98, 0x83, 0xe2, 0x98, 0x83].map((byte) => first + byte)]);
  t.same(encodeAll(load({ model: { ...model, byte_fallback: true } }), '☃'), [space, model['unk_id']]);
  t.end();
});

t.test('opening names the file and the reason', async (t) => {
  const directory = t.testdir({
    'cut.json': '{"model":',
    'list.json': '[]',
    'bpe.json': JSON.stringify({ ...TINY_JSON, model: { type: 'BPE' } }),
    'numbered.json': '{"cls_token": 7}',
    'renamed.json': '{"sep_token": {"content": "</s>"}}',
  });
  const good = locate(`${TINY}/tokenizer.json`);
  const cases: [tokenizer: string, config: string | null, file: string, reason: RegExp][] = [
    ['missing.json', null, 'missing.json', /ENOENT/],
    ['.', null, '', /is not a file/],
    ['cut.json', null, 'cut.json', /JSON/],
    ['list.json', null, 'list.json', /the file is not an object/],
    ['bpe.json', null, 'bpe.json', /model type BPE is not supported/],
    [good, 'missing.json', 'missing.json', /ENOENT/],
    [good, 'cut.json', 'cut.json', /JSON/],
    [good, 'numbered.json', 'numbered.json', /cls_token is not an object/],
    [good, 'renamed.json', 'tokenizer.json', /added_tokens has no <\/s>/],
  ];
  for (const [tokenizer, config, file, reason] of cases) {
    const tokenizerPath = path.resolve(directory, tokenizer);
    const tokenizerConfigPath = config === null ? null : path.resolve(directory, config);
    const opened = openText({ tokenizerPath, tokenizerConfigPath, maxTokens: 64 });
    await t.rejects(opened, { message: reason }, `${tokenizer} ${config}`);
    await t.rejects(opened, { message: new RegExp(file.replace('.', '\\.')) }, `${file} is named`);
  }
});

t.test('a limit that leaves no room for a pair is refused', async (t) => {
  const paths = { tokenizerPath: locate(`${TINY}/tokenizer.json`), tokenizerConfigPath: null };
  await t.rejects(openText({ ...paths, maxTokens: 35 }), { message: 'maxTokens is 35; it must be at least 36' });
  const text = await openText({ ...paths, maxTokens: 36 });
  await text.close();
});
