import t from 'tap';
import { parseConfig } from '../../src/checkpoint/config.js';
import { smallConfig } from '../support/checkpoints.js';

const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const parse = (changes: Record<string, unknown>) => parseConfig(bytes(smallConfig(changes)));

// what would change the answer, and the key that must be named
const REFUSED: [string, Record<string, unknown>, RegExp][] = [
  ['another model', { model_type: 'deberta' }, /model_type is "deberta"; supported: "deberta-v2"/],
  ['no model type', { model_type: undefined }, /model_type is missing/],
  ['absolute attention', { relative_attention: false }, /relative_attention is false; supported: true/],
  ['no relative attention', { relative_attention: undefined }, /relative_attention is missing/],
  ['separate position projections', { share_att_key: false }, /share_att_key is false/],
  ['no share_att_key', { share_att_key: undefined }, /share_att_key is missing/],
  ['absolute positions', { position_biased_input: true }, /position_biased_input is true/],
  [
    'no position_biased_input, which defaults to true',
    { position_biased_input: undefined },
    /position_biased_input is/,
  ],
  ['another activation', { hidden_act: 'gelu_new' }, /hidden_act is "gelu_new"/],
  ['another activation of the pooler', { pooler_hidden_act: 'tanh' }, /pooler_hidden_act is "tanh"/],
  ['another width of the pooler', { pooler_hidden_size: 16 }, /pooler_hidden_size/],
  ['token types', { type_vocab_size: 2 }, /type_vocab_size is 2/],
  ['a convolution', { conv_kernel_size: 3 }, /conv_kernel_size is 3/],
  [
    'another normalisation',
    { norm_rel_ebd: 'batch_norm' },
    /norm_rel_ebd is "batch_norm"; supported: "layer_norm", "none"/,
  ],
  ['a regression', { problem_type: 'regression' }, /problem_type is "regression"/],
  [
    'quantised weights',
    { quantization_config: { bits: 4 } },
    /quantization_config is \{"bits":4\}; supported: not set/,
  ],
  ['enhanced decoding', { z_steps: 2 }, /z_steps is 2/],
  ['no attention to positions', { pos_att_type: [] }, /pos_att_type is \[\]/],
  ['no pos_att_type', { pos_att_type: undefined }, /pos_att_type is missing/],
  ['position to position', { pos_att_type: ['c2p', 'p2p'] }, /pos_att_type is \["c2p","p2p"\]/],
  ['a pos_att_type that is an object', { pos_att_type: { c2p: true } }, /pos_att_type is \{"c2p":true\}/],
  ['no hidden size', { hidden_size: undefined }, /hidden_size is missing/],
  ['a hidden size of 0', { hidden_size: 0 }, /hidden_size is 0; an integer of at least 1/],
  ['a fractional hidden size', { hidden_size: 32.5 }, /hidden_size is 32.5/],
  ['a hidden size that is a text', { hidden_size: '32' }, /hidden_size is "32"/],
  ['a hidden size beyond int32', { hidden_size: 2 ** 31 }, /hidden_size is 2147483648/],
  ['no layers', { num_hidden_layers: 0 }, /num_hidden_layers is 0/],
  ['heads that do not divide the hidden size', { num_attention_heads: 5 }, /attention_head_size is 6.4/],
  ['heads of another size', { attention_head_size: 16 }, /attention_head_size × num_attention_heads/],
  ['a negative intermediate size', { intermediate_size: -1 }, /intermediate_size is -1/],
  ['no vocabulary', { vocab_size: null }, /vocab_size is missing|vocab_size is null/],
  ['a padding id outside the vocabulary', { pad_token_id: 120 }, /pad_token_id is 120; vocab_size is 120/],
  ['a negative padding id', { pad_token_id: -1 }, /pad_token_id is -1/],
  ['an epsilon of 0', { layer_norm_eps: 0 }, /layer_norm_eps is 0/],
  ['an epsilon that is a text', { layer_norm_eps: '1e-7' }, /layer_norm_eps is "1e-7"/],
  ['one bucket', { position_buckets: 1 }, /position_buckets is 1/],
  ['more buckets than positions', { position_buckets: 64, max_relative_positions: 33 }, /position_buckets is 64/],
  ['fractional buckets', { position_buckets: 0.5 }, /position_buckets is 0.5/],
  ['no positions', { max_position_embeddings: 0 }, /max_position_embeddings is 0/],
  ['labels that are a list', { id2label: ['a', 'b'] }, /id2label is not an object/],
  ['labels of null', { id2label: null }, /id2label is not an object/],
  ['no labels', { id2label: {} }, /0 labels/],
  ['a gap between labels', { id2label: { 0: 'a', 2: 'c' } }, /id2label has no text for "1"/],
  ['a label that is a number', { id2label: { 0: 'a', 1: 1 } }, /id2label has no text for "1"/],
  ['more labels than memory', { id2label: undefined, num_labels: 2 ** 31 - 1 }, /2147483647 labels/],
];

t.test('what is not supported is refused by the name of its key', async (t) => {
  for (const [name, changes, message] of REFUSED) {
    t.throws(() => parse(changes), { name: 'CheckpointError', message }, name);
  }
});

const NO_CONFIG: [string, string, RegExp][] = [
  ['nothing', '', /config.json: is not valid JSON/],
  ['a list', '[]', /config.json: is not a JSON object/],
  ['a number', '3', /config.json: is not a JSON object/],
  ['null', 'null', /config.json: is not a JSON object/],
  ['a text', '"deberta-v2"', /config.json: is not a JSON object/],
  ['half an object', '{"model_type":', /does not parse/],
  ['a comment', '{} // mine', /does not parse/],
  ['a key twice', '{"hidden_size":32,"hidden_size":64}', /key "hidden_size" stands twice/],
  ['a byte order mark', '\ufeff{}', /does not parse/],
  ['deep nesting', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /nested deeper/],
];

t.test('what is no configuration is refused with the reason', async (t) => {
  for (const [name, text, message] of NO_CONFIG) {
    t.throws(() => parseConfig(bytes(text)), { name: 'CheckpointError', message }, name);
  }
  t.throws(() => parseConfig(Uint8Array.of(0x7b, 0xff, 0x7d)), { message: /is not UTF-8/ });
});

t.test('absent keys take the defaults of transformers', async (t) => {
  const absent = Object.fromEntries(
    [
      'embedding_size',
      'pad_token_id',
      'layer_norm_eps',
      'position_buckets',
      'max_relative_positions',
      'norm_rel_ebd',
      'id2label',
      'max_position_embeddings',
      'hidden_act',
      'pooler_hidden_act',
      'type_vocab_size',
    ].map((key) => [key, undefined]),
  );
  t.match(parse(absent), {
    embeddingSize: 32,
    headSize: 8,
    padTokenId: 0,
    layerNormEpsilon: 1e-7,
    positionBuckets: 0,
    maxPositions: 512,
    maxRelativePositions: 512,
    relativeSpan: 512,
    normaliseRelative: false,
    id2label: ['LABEL_0', 'LABEL_1'],
  });
  t.strictSame(parse({ id2label: undefined, num_labels: 3 }).id2label, ['LABEL_0', 'LABEL_1', 'LABEL_2']);
});

const ATTENTION: [unknown, boolean, boolean][] = [
  [['p2c', 'c2p'], true, true],
  ['c2p|p2c', true, true],
  ['C2P | p2c', true, true],
  ['p2c', false, true],
  [['c2p'], true, false],
];

t.test('pos_att_type is a list or a text with bars', async (t) => {
  for (const [pos_att_type, c2p, p2c] of ATTENTION)
    t.match(parse({ pos_att_type }), { c2p, p2c }, JSON.stringify(pos_att_type));
});

t.test('labels stand in the order of their numbers', async (t) => {
  t.strictSame(
    parse({ id2label: { 2: 'c', 10: 'k', 0: 'a', 1: 'b', 3: 'd', 4: 'e', 5: 'f', 6: 'g', 7: 'h', 8: 'i', 9: 'j' } })
      .id2label,
    'abcdefghijk'.split(''),
  );
});
