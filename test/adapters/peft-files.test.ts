import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import * as fc from 'fast-check';
import {
  AdapterError,
  type AdapterFiles,
  type AdapterSettings,
  parseAdapter,
  writeAdapter,
} from '../../adapters/format.js';
import { type DebertaConfig, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { LAYER_LINEARS } from '../../src/checkpoint/names.js';
import { type NamedTensor, writeTensors } from '../../src/tensors/safetensors.js';
import { QUERY_VALUE, randomAdapter, randomModules, settingsOf } from '../support/adapter-files.js';
import { packageRoot } from '../../src/package.js';

const GOLDEN = path.join(packageRoot, 'test', 'golden', 'short-buckets');
const base: DebertaConfig = (await openCheckpoint(path.join(GOLDEN, 'checkpoint'))).config;
const golden = (name: string): Buffer => readFileSync(path.join(GOLDEN, 'adapter', name));
const PEFT = { config: golden('adapter_config.json'), weights: golden('adapter_model.safetensors') };

const parse = ({ config, weights }: AdapterFiles) => parseAdapter(config, weights, base);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const pick = (from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(keys.map((key) => [key, from[key]]));

t.test("PEFT's own files come out as they went in", async (t) => {
  const { modules, head, config } = parse(PEFT);
  const written = writeAdapter(modules, head, { ...config, base_model_name_or_path: 'some/base' });
  t.ok(Buffer.from(written.weights).equals(PEFT.weights), 'every byte of the weights');
  const peft = JSON.parse(text(PEFT.config)) as Record<string, unknown>;
  const ours = JSON.parse(text(written.config)) as Record<string, unknown>;
  t.same(ours, { ...pick(peft, Object.keys(ours)), base_model_name_or_path: 'some/base' });
  t.equal(parse(written).digest, parse(PEFT).digest);
});

t.test('the configuration has these keys, in this order', async (t) => {
  t.equal(
    text(randomAdapter(base, { seed: 1 }).config),
    `{
  "alpha_pattern": {},
  "auto_mapping": null,
  "base_model_name_or_path": "a-base",
  "bias": "none",
  "fan_in_fan_out": false,
  "inference_mode": true,
  "init_lora_weights": true,
  "layers_pattern": null,
  "layers_to_transform": null,
  "lora_alpha": 16,
  "lora_dropout": 0.1,
  "modules_to_save": [
    "classifier",
    "score"
  ],
  "peft_type": "LORA",
  "r": 8,
  "rank_pattern": {},
  "revision": null,
  "target_modules": [
    "query_proj",
    "value_proj"
  ],
  "task_type": "SEQ_CLS",
  "use_dora": false,
  "use_rslora": false
}
`,
  );
});

const byPattern: Partial<AdapterSettings> = {
  rank_pattern: new Map([
    ['query_proj', 8],
    ['value_proj', 8],
  ]),
  alpha_pattern: new Map([
    ['layer.0.attention.self.query_proj', 16],
    ['query_proj', 16],
    ['value_proj', 16],
  ]),
};
const sorted = <V>(map: ReadonlyMap<string, V>): Map<string, V> => new Map(map);

t.test('what is written reads back the same, and is written the same again', async (t) => {
  const table: [string, Parameters<typeof randomAdapter>[1]][] = [
    ['query and value', { seed: 1 }],
    ['another rank', { seed: 2, r: 3 }],
    ['every Linear', { seed: 3, linears: LAYER_LINEARS }],
    ['output.dense alone', { seed: 4, linears: ['output.dense'] }],
    ['rank-stabilised', { seed: 5, r: 16, settings: { use_rslora: true, lora_alpha: 8 } }],
    ['ranks by pattern', { seed: 6, settings: { r: 4, lora_alpha: 8, ...byPattern } }],
    ['a revision', { seed: 7, settings: { revision: 'abc', lora_dropout: 0 } }],
  ];
  for (const [name, options] of table) {
    const files = randomAdapter(base, options);
    const read = parse(files);
    const { modules, head } = randomModules(base, options);
    t.strictSame({ modules: read.modules, head: read.head }, { modules: sorted(modules), head }, name);
    const again = writeAdapter(read.modules, read.head, { ...read.config, base_model_name_or_path: 'a-base' });
    t.ok(Buffer.from(again.config).equals(files.config), name);
    t.ok(Buffer.from(again.weights).equals(files.weights), name);
  }
});

t.test('a module that is not what the settings say is not written', async (t) => {
  const { modules, head } = randomModules(base, { seed: 1 });
  t.throws(() => writeAdapter(modules, head, settingsOf(4)), { message: /query_proj has rank 8 and scale 2.*rank 4/ });
  t.throws(() => writeAdapter(modules, head, { ...settingsOf(8), lora_alpha: 8 }), { message: /scale 1/ });
});

t.test('target names mean no more modules than there are', async (t) => {
  const targets = (linears: Parameters<typeof randomAdapter>[1]['linears']): unknown =>
    (JSON.parse(text(randomAdapter(base, { seed: 1, linears: linears ?? [] }).config)) as Record<string, unknown>)[
      'target_modules'
    ];
  t.same(targets(QUERY_VALUE), ['query_proj', 'value_proj']);
  t.same(
    targets(['output.dense']),
    [0, 1].map((layer) => `deberta.encoder.layer.${layer}.output.dense`),
  );
});

t.test('the digest is that of what decides the answers', async (t) => {
  const digest = (settings: Partial<AdapterSettings>, seed = 1): string =>
    parse(randomAdapter(base, { seed, settings })).digest;
  const plain = digest({});
  for (const same of [
    { lora_dropout: 0 },
    { base_model_name_or_path: 'b' },
    { alpha_pattern: new Map([['query_proj', 16]]) },
  ])
    t.equal(digest(same), plain, JSON.stringify(same));
  t.not(digest({}, 2), plain);
  const config = { ...(JSON.parse(text(PEFT.config)) as object), lora_alpha: 9 };
  t.not(parse({ ...PEFT, config: Buffer.from(JSON.stringify(config)) }).digest, parse(PEFT).digest);
});

/** PEFT's configuration with changes; undefined takes a key out. */
const withConfig = (changes: object): AdapterFiles => ({
  ...PEFT,
  config: Buffer.from(JSON.stringify({ ...(JSON.parse(text(PEFT.config)) as object), ...changes })),
});

const tensorsOf = (): NamedTensor[] => {
  const { modules, head } = parse(PEFT);
  const loras = [...modules].flatMap(([name, { rank, a, b }]) => [
    { name: `base_model.model.${name}.lora_A.weight`, shape: [rank, a.length / rank], data: a },
    { name: `base_model.model.${name}.lora_B.weight`, shape: [b.length / rank, rank], data: b },
  ]);
  const classifier = 'base_model.model.classifier';
  return [
    { name: `${classifier}.weight`, shape: [3, 32], data: head.weight },
    { name: `${classifier}.bias`, shape: [3], data: head.bias },
    ...loras,
  ];
};

const withTensors = (change: (tensors: NamedTensor[]) => NamedTensor[]): AdapterFiles => ({
  ...PEFT,
  weights: writeTensors(change(tensorsOf())),
});

const value =
  (index: number, number: number) =>
  (tensors: NamedTensor[]): NamedTensor[] =>
    tensors.map((tensor, i) =>
      i === index ? { ...tensor, data: Float32Array.from(tensor.data).fill(number, 1, 2) } : tensor,
    );

const extra = (name: string): AdapterFiles =>
  withTensors((tensors) => [...tensors, { name, shape: [1], data: Float32Array.of(1) }]);

/** The file with another header, of the length it says or of `length`. */
function withHeader(change: (header: string) => string, length?: bigint): AdapterFiles {
  const size = PEFT.weights.readUInt32LE(0);
  const header = Buffer.from(change(text(PEFT.weights.slice(8, 8 + size))));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(header.length));
  return { ...PEFT, weights: Buffer.concat([prefix, header, PEFT.weights.slice(8 + size)]) };
}

function deep(): Buffer {
  return Buffer.from(`{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`);
}

const farKey = Buffer.from(`{"r"${' '.repeat(100)}:8,"r":4}`);

const REFUSED: [string, AdapterFiles, RegExp][] = [
  ['another kind', withConfig({ peft_type: 'IA3' }), /adapter_config.json: peft_type is "IA3"/],
  ['another task', withConfig({ task_type: 'CAUSAL_LM' }), /task_type/],
  ['biases', withConfig({ bias: 'lora_only' }), /bias is "lora_only"/],
  ['DoRA', withConfig({ use_dora: true }), /use_dora is true/],
  ['lora_bias', withConfig({ lora_bias: true }), /lora_bias/],
  ['target_parameters', withConfig({ target_parameters: ['x'] }), /target_parameters/],
  ['layer_replication', withConfig({ layer_replication: [[0, 1]] }), /layer_replication/],
  ['more modules saved', withConfig({ modules_to_save: ['classifier', 'pooler'] }), /modules_to_save.*pooler/],
  ['rank 0', withConfig({ r: 0 }), /r is 0/],
  ['rank 65', withConfig({ r: 65 }), /r is 65; an integer from 1 to 64/],
  ['a rank that is text', withConfig({ r: '4' }), /r is "4"/],
  ['alpha 0', withConfig({ lora_alpha: 0 }), /lora_alpha is 0/],
  ['an expression as pattern', withConfig({ alpha_pattern: { '.*query.*': 4 } }), /alpha_pattern has ".\*query.\*"/],
  ['a target that is no name', withConfig({ target_modules: [7] }), /target_modules/],
  [
    'a module that is no target',
    withConfig({ target_modules: ['query_proj'] }),
    /value_proj, which adapter_config.json does not target/,
  ],
  ['a layer that is no target', withConfig({ layers_to_transform: [0] }), /layer.1.*does not target/],
  ['an excluded module', withConfig({ exclude_modules: ['value_proj'] }), /value_proj.*does not target/],
  ['no JSON', { ...PEFT, config: Buffer.from('{"r":') }, /not valid JSON/],
  ['a key twice', { ...PEFT, config: Buffer.from('{"r":8,"r":4}') }, /"r" stands twice/],
  ['a key twice, far from its colon', { ...PEFT, config: farKey }, /"r" stands twice/],
  ['no object', { ...PEFT, config: Buffer.from('[]') }, /not a JSON object/],
  ['a deep configuration', { ...PEFT, config: deep() }, /nested deeper than 64 levels/],
  ['a deep header', withHeader(() => deep().toString()), /safetensors: .*nested deeper than 64 levels/],
  ['no UTF-8', { ...PEFT, config: Buffer.of(0x7b, 0xff, 0x7d) }, /not UTF-8/],
  ['a huge configuration', { ...PEFT, config: Buffer.alloc(65_537, 0x20) }, /at most 65536/],
  [
    'another rank than its tensors',
    withConfig({ r: 8 }),
    /query_proj.lora_A.weight has shape \[4, 32\] where \[8, 32\]/,
  ],
  ['no classifier', withTensors((all) => all.slice(2)), /tensor base_model.model.classifier.weight is missing/],
  ['no lora_B', withTensors((all) => all.slice(0, -1)), /lora_B.weight is missing/],
  ['no lora at all', withTensors((all) => all.slice(0, 2)), /no lora_A/],
  [
    'an unknown tensor',
    extra('base_model.model.deberta.pooler.x'),
    /unexpected tensor "base_model.model.deberta.pooler.x"/,
  ],
  ["an adapter's name in a key", extra('base_model.model.classifier.default.weight'), /unexpected tensor/],
  ['NaN', withTensors(value(2, Number.NaN)), /query_proj.lora_A.weight has values that are not finite/],
  [
    'an infinite value in the head',
    withTensors(value(0, Number.POSITIVE_INFINITY)),
    /classifier.weight has values that are not/,
  ],
  ['cut short', { ...PEFT, weights: PEFT.weights.slice(0, -4) }, /tensors end at byte/],
  ['cut in the header', { ...PEFT, weights: PEFT.weights.slice(0, 40) }, /header is longer than the file/],
  ['nothing', { ...PEFT, weights: new Uint8Array() }, /shorter than its 8-byte header length/],
  ['a rest', { ...PEFT, weights: Buffer.concat([PEFT.weights, Buffer.of(0)]) }, /tensors end at byte/],
  ['a header of 2^63 bytes', withHeader((h) => h, 2n ** 63n), /at most 1048576 are read/],
  ['another type', withHeader((h) => h.replace('"F32"', '"I32"')), /dtype "I32" is not one of/],
  ['a tensor twice', withHeader((h) => h.replace('classifier.weight', 'classifier.bias')), /stands twice/],
  ['pickled tensors', { ...PEFT, weights: Buffer.from('\x80\x02}q\x00(X\x01\x00\x00\x00') }, /header/],
];

t.test('every adapter that cannot be served is refused by name', async (t) => {
  for (const [name, files, message] of REFUSED) t.throws(() => parse(files), { name: 'AdapterError', message }, name);
});

t.test('an adapter of another base is refused by the first tensor that does not fit', async (t) => {
  t.throws(() => parse(randomAdapter({ ...base, hiddenSize: 64, intermediateSize: 128 }, { seed: 1 })), {
    message: /query_proj.lora_A.weight has shape \[8, 64\] where \[8, 32\] is needed/,
  });
  t.throws(() => parse(randomAdapter({ ...base, layers: 3 }, { seed: 1 })), { message: /unexpected tensor.*layer.2/ });
});

const bytes = fc.noBias(fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }));

const mutated = (whole: Uint8Array, changes: readonly [number, number][], upTo: number): Uint8Array => {
  const copy = Uint8Array.from(whole);
  for (const [where, byte] of changes) copy[where % upTo] = byte;
  return copy;
};

t.test('10,000 random mutations are refused by name or read as what they are', async (t) => {
  const original = parse(PEFT).digest;
  const outcomes = { refused: 0, read: 0 };
  fc.assert(
    fc.property(bytes, fc.constantFrom('config', 'header', 'data'), (changes, part) => {
      const files =
        part === 'config'
          ? { ...PEFT, config: mutated(PEFT.config, changes, PEFT.config.length) }
          : { ...PEFT, weights: mutated(PEFT.weights, changes, part === 'header' ? 1344 : PEFT.weights.length) };
      outcomes[attempt(files, original)] += 1;
    }),
    { numRuns: 10_000, seed: 42 },
  );
  t.equal(outcomes.refused + outcomes.read, 10_000);
  t.ok(outcomes.refused > 3000 && outcomes.read > 100, JSON.stringify(outcomes));
});

/** Whatever is read is finite, and has another digest unless it says the same. */
function attempt(files: AdapterFiles, original: string): 'refused' | 'read' {
  try {
    const { digest, modules } = parse(files);
    const same = Buffer.from(files.weights).equals(PEFT.weights);
    if (!same && digest === original) throw new Error('another file has the same digest');
    if (![...modules.values()].every(({ a, b }) => a.every(Number.isFinite) && b.every(Number.isFinite)))
      throw new Error('not finite');
    return 'read';
  } catch (error) {
    if (!(error instanceof AdapterError)) throw error;
    return 'refused';
  }
}
