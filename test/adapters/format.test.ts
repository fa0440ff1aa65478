import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { AdapterError, parseAdapter } from '../../adapters/format.js';
import { parseConfig } from '../../src/checkpoint/config.js';
import { adapterTensors, parse, peftJson, randomAdapter } from '../support/adapters.js';
import { GOLDEN, goldenFolder, readFiles, smallConfig } from '../support/checkpoints.js';
import { generator, mutated } from '../support/random.js';
import { type Tensors, encode, rounded, tensorBytes } from '../support/tensor-bytes.js';

const base = parseConfig(Buffer.from(JSON.stringify(smallConfig())));
const QUERY = 'attention.self.query_proj';
const VALUE = 'attention.self.value_proj';
const tensors = adapterTensors(base, { linears: [QUERY, VALUE] });
const [FIRST] = tensors.keys() as IterableIterator<string>;
const A = FIRST!;
const B = A.replace('lora_A', 'lora_B');
const HEAD = 'base_model.model.classifier';

const replaced = (name: string, shape: readonly number[], fill = 0): Tensors =>
  new Map([...tensors, [name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill) }]]);
const without = (...names: string[]): Tensors => new Map([...tensors].filter(([name]) => !names.includes(name)));
const only = (test: RegExp): Tensors => new Map([...tensors].filter(([name]) => test.test(name)));

const CONFIGS: [string, object | string, RegExp][] = [
  ['nothing', '', /adapter_config\.json: is not valid JSON/],
  ['a list', '[]', /adapter_config\.json: is not a JSON object/],
  ['deep nesting', `{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, /nested deeper than 64/],
  ['a key twice', '{"r":8,"r":16}', /key "r" stands twice/],
  ['a large file', `{}${' '.repeat(64 * 1024)}`, /has 65538 bytes; at most 65536/],
  ['another method', { peft_type: 'IA3' }, /peft_type is "IA3"; supported: "LORA"/],
  ['no method', { peft_type: undefined }, /peft_type is missing/],
  ['another task', { task_type: 'CAUSAL_LM' }, /task_type is "CAUSAL_LM"; supported: "SEQ_CLS"/],
  ['no task', { task_type: null }, /task_type is null/],
  ['trained biases', { bias: 'lora_only' }, /bias is "lora_only"; supported: "none"/],
  ['DoRA', { use_dora: true }, /use_dora is true; it is not supported/],
  ['a bias of lora_B', { lora_bias: true }, /lora_bias is true/],
  ['target parameters', { target_parameters: ['w'] }, /target_parameters is \["w"\]/],
  ['replicated layers', { layer_replication: [[0, 1]] }, /layer_replication is \[\[0,1\]\]/],
  ['trained tokens', { trainable_token_indices: [3] }, /trainable_token_indices is \[3\]/],
  ['QA-LoRA', { use_qalora: true }, /use_qalora is true/],
  ['block-diagonal LoRA', { use_bdlora: { a: 1 } }, /use_bdlora is \{"a":1\}/],
  ['activated LoRA', { alora_invocation_tokens: [1] }, /alora_invocation_tokens/],
  ['arrow', { arrow_config: { top_k: 2 } }, /arrow_config/],
  ['transposed weights', { fan_in_fan_out: true }, /fan_in_fan_out is true/],
  ['Megatron', { megatron_config: { a: 1 } }, /megatron_config/],
  ['KaSA', { kasa_config: { a: 1 } }, /kasa_config/],
  ['VeLoRA', { velora_config: { a: 1 } }, /velora_config/],
  ['MonteCLoRA', { monteclora_config: { a: 1 } }, /monteclora_config/],
  ['PiSSA, which changes the base', { init_lora_weights: 'pissa_niter_4' }, /init_lora_weights is "pissa_niter_4"/],
  ['LoftQ, which changes the base', { init_lora_weights: 'loftq' }, /init_lora_weights is "loftq"/],
  [
    'other saved modules',
    { modules_to_save: ['pooler'] },
    /modules_to_save is \["pooler"\]; supported: classifier, score/,
  ],
  ['saved modules as a text', { modules_to_save: 'classifier' }, /modules_to_save is "classifier"/],
  ['a rank of 0', { r: 0 }, /r is 0; an integer from 1 to 64/],
  ['a rank of 65', { r: 65 }, /r is 65; an integer from 1 to 64/],
  ['a fractional rank', { r: 7.5 }, /r is 7.5/],
  ['a rank that is a text', { r: '8' }, /r is "8"/],
  ['an alpha of 0', { lora_alpha: 0 }, /lora_alpha is 0; a number above 0/],
  ['a negative alpha', { lora_alpha: -16 }, /lora_alpha is -16/],
  ['an endless alpha', '{"peft_type":"LORA","task_type":"SEQ_CLS","lora_alpha":1e999}', /lora_alpha is null/],
  ['an alpha beyond float32', { lora_alpha: 1e300 }, /lora_B\.weight times 1\.25e\+299 is not finite/],
  ['a flag that is a text', { use_rslora: 'true' }, /use_rslora is "true"; true or false/],
  ['patterns that are a list', { rank_pattern: [4] }, /rank_pattern is \[4\]; an object/],
  ['a pattern of rank 0', { rank_pattern: { query_proj: 0 } }, /rank_pattern\.query_proj is 0/],
  [
    'a pattern that is an expression',
    { alpha_pattern: { '.*query.*': 4 } },
    /alpha_pattern has the key "\.\*query\.\*"/,
  ],
  ['a dropout of 1', { lora_dropout: 1 }, /lora_dropout is 1; a number from 0 to below 1/],
  ['a name that is a number', { base_model_name_or_path: 3 }, /base_model_name_or_path is 3/],
];

t.test('a configuration that would change the answer unseen is refused by the name of its key', async (t) => {
  for (const [name, given, message] of CONFIGS) {
    const json = typeof given === 'string' ? given : peftJson(given as Record<string, unknown>);
    t.throws(() => parse(json, tensors, base), { name: 'AdapterError', message }, name);
  }
});

const WEIGHTS: [string, Tensors, RegExp][] = [
  ['no tensors', new Map(), /no lora_A of a known Linear/],
  ['a head alone', only(/classifier/), /no lora_A of a known Linear/],
  ['lora_A without lora_B', without(B), /tensor \S+query_proj\.lora_B\.weight is missing/],
  ['lora_B without lora_A', without(A), /tensor \S+query_proj\.lora_A\.weight is missing/],
  ['no head', without(`${HEAD}.weight`, `${HEAD}.bias`), /tensor base_model\.model\.classifier\.weight is missing/],
  ['half a head', without(`${HEAD}.bias`), /tensor base_model\.model\.classifier\.bias is missing/],
  [
    'a head of other labels',
    replaced(`${HEAD}.weight`, [2, 32]),
    /classifier\.weight has shape \[2, 32\] where \[3, 32\]/,
  ],
  ['another rank than r', replaced(A, [4, 32]), /query_proj\.lora_A\.weight has shape \[4, 32\] where \[8, 32\]/],
  ['another width', replaced(B, [31, 8]), /query_proj\.lora_B\.weight has shape \[31, 8\] where \[32, 8\]/],
  ['A transposed', replaced(A, [32, 8]), /lora_A\.weight has shape \[32, 8\]/],
  ['NaN', replaced(A, [8, 32], Number.NaN), /lora_A\.weight has values that are not finite/],
  [
    'infinity',
    replaced(`${HEAD}.bias`, [3], Number.NEGATIVE_INFINITY),
    /classifier\.bias has values that are not finite/,
  ],
  [
    'a layer too many',
    replaced(A.replace('layer.0', 'layer.2'), [8, 32]),
    /unexpected tensor "base_model\.model\.deberta\.encoder\.layer\.2/,
  ],
  [
    'a pooler',
    replaced('base_model.model.pooler.dense.weight', [32, 32]),
    /unexpected tensor "base_model\.model\.pooler/,
  ],
  [
    'magnitudes of DoRA',
    replaced(A.replace('lora_A.weight', 'lora_magnitude_vector'), [32]),
    /unexpected tensor \S+lora_magnitude_vector/,
  ],
  [
    'an adapter’s name in the keys',
    replaced(A.replace('lora_A', 'lora_A.default'), [8, 32]),
    /unexpected tensor \S+lora_A\.default/,
  ],
  ['a long name', replaced('x'.repeat(10_000), [1]), /^.{0,300}$/],
];

t.test('weights that do not fit the base model are refused by the name of the tensor', async (t) => {
  for (const [name, given, message] of WEIGHTS) {
    t.throws(() => parse(peftJson(), given, base), { name: 'AdapterError', message }, name);
  }
  const bytes = encode(tensors, 'F32');
  const broken = [bytes.subarray(0, bytes.length - 1), new Uint8Array(0), tensorBytes({ a: 1 }, new Uint8Array(0))];
  for (const one of broken) {
    t.throws(() => parseAdapter(Buffer.from(JSON.stringify(peftJson())), one, base), {
      name: 'AdapterError',
      message: /^adapter_model\.safetensors: /,
    });
  }
});

const scaleOf = (changes: Record<string, unknown>, ranks = {}): number[] =>
  [...randomAdapter(base, { linears: [QUERY, VALUE], ranks }, changes).modules.values()]
    .slice(0, 2)
    .map(({ scale }) => scale);

t.test('the scale is alpha / r, as PEFT has it', async (t) => {
  t.strictSame(scaleOf({ lora_alpha: 12 }), [1.5, 1.5]);
  t.strictSame(scaleOf({ r: undefined, lora_alpha: undefined }), [1, 1], 'both default to 8');
  t.strictSame(scaleOf({ lora_alpha: 16, use_rslora: true }), [16 / Math.sqrt(8), 16 / Math.sqrt(8)], 'rsLoRA');
  t.strictSame(
    scaleOf({ lora_alpha: 16, rank_pattern: { query_proj: 2 } }, { [QUERY]: 2 }),
    [8, 2],
    'a rank of its own',
  );
  t.strictSame(scaleOf({ lora_alpha: 16, alpha_pattern: { value_proj: 4 } }), [2, 0.5], 'an alpha of its own');
  t.strictSame(
    scaleOf({ lora_alpha: 16, alpha_pattern: { 'layer.0.attention.self.value_proj': 4, value_proj: 8 } }),
    [2, 0.5],
    'the first that fits',
  );
  t.strictSame(
    scaleOf({ lora_alpha: 16, alpha_pattern: { lue_proj: 4, 'deberta.encoder': 4 } }),
    [2, 2],
    'only whole ends of names fit',
  );
  t.strictSame(scaleOf({ use_rslora: true, lora_alpha: 16, rank_pattern: { query_proj: 4 } }, { [QUERY]: 4 }), [
    8,
    16 / Math.sqrt(8),
  ]);
});

t.test('unused and unknown harmless keys are let pass', async (t) => {
  const json = JSON.parse(
    readFileSync(path.join(goldenFolder('short-buckets', 'adapter'), 'adapter_config.json'), 'utf8'),
  ) as object;
  t.equal(
    parse(
      { ...json, r: 8, lora_dropout: 0.5, inference_mode: false, revision: 'main', peft_version: '9' },
      tensors,
      base,
    ).modules.size,
    4,
  );
  t.equal(
    parse(peftJson({ modules_to_save: null, base_model_name_or_path: null, bias: undefined }), tensors, base).modules
      .size,
    4,
  );
});

t.test('half-precision adapters are read as the numbers they hold', async (t) => {
  for (const type of ['F16', 'BF16'] as const) {
    const { modules, head } = parse(peftJson(), tensors, base, type);
    const [first] = modules.values();
    t.strictSame(
      [...first!.a],
      [...tensors.get(A)!.data].map((x) => rounded(x, type)),
      type,
    );
    t.strictSame(
      [...head.bias],
      [...tensors.get(`${HEAD}.bias`)!.data].map((x) => rounded(x, type)),
      type,
    );
  }
});

for (const name of GOLDEN) {
  t.test(`${name}: what PEFT wrote is read`, async (t) => {
    const { config } = readFiles(goldenFolder(name, 'checkpoint'));
    for (const folder of ['adapter', 'adapter-after-trajectory']) {
      const [json, weights] = ['adapter_config.json', 'adapter_model.safetensors'].map((file) =>
        readFileSync(path.join(goldenFolder(name, folder), file)),
      );
      const adapter = parseAdapter(json!, weights!, parseConfig(Buffer.from(JSON.stringify(config))));
      t.equal(adapter.modules.size, 2 * config.num_hidden_layers);
      for (const { rank, scale } of adapter.modules.values()) t.strictSame([rank, scale], [4, 2]);
    }
  });
}

t.test('the digest is that of what the adapter computes', async (t) => {
  const digest = (changes: Record<string, unknown> = {}, of = tensors): string =>
    parse(peftJson(changes), of, base).digest;
  const same = digest();
  t.match(same, /^[0-9a-f]{64}$/);
  const reversed = Object.fromEntries(Object.entries(peftJson()).toReversed());
  t.equal(parse(reversed, tensors, base).digest, same, 'not of the order of keys');
  t.equal(digest({ lora_dropout: 0.5, base_model_name_or_path: 'another' }), same, 'not of what steers training');
  const others = [
    digest({ lora_alpha: 17 }),
    digest({ use_rslora: true }),
    digest({ alpha_pattern: { query_proj: 4 } }),
    digest({ alpha_pattern: { query_proj: 4, 'layer.0.attention.self.query_proj': 8 } }),
    digest({ alpha_pattern: { 'layer.0.attention.self.query_proj': 8, query_proj: 4 } }),
    digest({}, replaced(`${HEAD}.bias`, [3])),
  ];
  // the fourth says the same as the third: its second pattern is never reached
  t.equal(others[3], others[2]);
  t.equal(new Set([same, ...others]).size, 6);
});

t.test('two thousand mutations of both files give an adapter or an AdapterError', async (t) => {
  const sizes = { num_hidden_layers: 1, hidden_size: 8, pooler_hidden_size: 8, num_attention_heads: 2 };
  const tiny = parseConfig(Buffer.from(JSON.stringify(smallConfig(sizes))));
  const one = adapterTensors(tiny, { linears: [QUERY], rank: 2 });
  const [json, weights] = [Buffer.from(JSON.stringify(peftJson({ r: 2 }))), encode(one, 'F32')];
  const random = generator(5);
  const outcomes = { read: 0, refused: 0 };
  for (let i = 0; i < 2000; i++) {
    try {
      parseAdapter(i % 2 ? mutated(random, json) : json, i % 2 ? weights : mutated(random, weights), tiny);
      outcomes.read++;
    } catch (error) {
      if (!(error instanceof AdapterError)) throw error;
      outcomes.refused++;
    }
  }
  t.ok(outcomes.read > 100 && outcomes.refused > 100, JSON.stringify(outcomes));
});
