/** What an adapter does to the logits: as inputs of a graph, in a bank, and against weights it is merged into. */
import t, { type Test } from 'tap';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { LAYER_LINEARS, type LayerLinear, linearShape } from '../../src/checkpoint/names.js';
import { commonShape } from '../../src/graph/adapter-feeds.js';
import type { Adapter } from '../../adapters/format.js';
import { randomAdapter } from '../support/adapters.js';
import { difference, total } from '../support/array.js';
import {
  type CheckpointFiles,
  goldenFolder,
  logitsOf,
  logitsOfFiles,
  readFiles,
  smallConfig,
  randomFiles,
  writeFiles,
} from '../support/checkpoints.js';
import { generator, tokens } from '../support/random.js';
import type { TestTensor } from '../support/tensor-bytes.js';

const GOLDEN = goldenFolder('xsmall-shaped', 'checkpoint');
const ROWS = tokens(generator(2), 300, [1, 4, 33, 12]);
const QUERY_VALUE = ['attention.self.query_proj', 'attention.self.value_proj'] as const;

/** The checkpoint with W + scale·B·A in the place of each adapted W, and the adapter's head. */
function merged({ config, tensors }: CheckpointFiles, adapter: Adapter): CheckpointFiles {
  const labels = adapter.head.bias.length;
  const heads: [string, TestTensor][] = [
    ['classifier.weight', { shape: [labels, config.hidden_size], data: adapter.head.weight }],
    ['classifier.bias', { shape: [labels], data: adapter.head.bias }],
  ];
  const linears = [...adapter.modules].map(([module, { rank, scale, a, b }]): [string, TestTensor] => {
    const { shape, data } = tensors.get(`${module}.weight`)!;
    const inner = shape[1]!;
    const product = (o: number, i: number): number => total(rank, (r) => b[o * rank + r]! * a[r * inner + i]!);
    return [
      `${module}.weight`,
      { shape, data: data.map((w, at) => w + scale * product(Math.floor(at / inner), at % inner)) },
    ];
  });
  return { config, tensors: new Map([...tensors, ...linears, ...heads]) };
}

async function compare(t: Test, adapter: Adapter, name: string): Promise<void> {
  const checkpoint = await openCheckpoint(GOLDEN);
  const expected = await logitsOfFiles(t.testdir(), merged(readFiles(GOLDEN), adapter), ROWS);
  const base = await logitsOf(checkpoint, ROWS);
  const single = await logitsOf(checkpoint, ROWS, [adapter]);
  const bank = await logitsOf(checkpoint, ROWS, [adapter], { adapterOfRow: ROWS.map(() => 0) });
  t.ok(difference(single.flat(), expected.flat()) < 1e-4, `${name}: ${difference(single.flat(), expected.flat())}`);
  t.ok(difference(bank.flat(), expected.flat()) < 1e-4, `${name}, bank: ${difference(bank.flat(), expected.flat())}`);
  t.ok(difference(base.flat(), expected.flat()) > 1e-2, `${name} matters`);
}

const opened = (): Promise<Checkpoint> => openCheckpoint(GOLDEN);

for (const linear of LAYER_LINEARS) {
  t.test(`an adapter of ${linear} answers as the weights it is merged into`, async (t) => {
    const { config } = await opened();
    await compare(t, randomAdapter(config, { linears: [linear], rank: 4 }), linear);
  });
}

const SETS: [string, readonly LayerLinear[], string, number, number][] = [
  ['query and value, rank 4 of 8', QUERY_VALUE, 'query-value', 4, 8],
  ['all of the attention, rank 12 of 16', LAYER_LINEARS.slice(0, 4), 'attention', 12, 16],
  ['every Linear, rank 1 of 8', LAYER_LINEARS, 'all', 1, 8],
  ['query and the feed-forward, rank 33 of 64', ['attention.self.query_proj', 'output.dense'], 'all', 33, 64],
];

for (const [name, linears, targets, rank, padded] of SETS) {
  t.test(`an adapter of ${name} answers as the weights it is merged into`, async (t) => {
    const adapter = randomAdapter((await opened()).config, { linears, rank }, { lora_alpha: 4 });
    t.match(commonShape([adapter], false), { targets, rank: padded, bank: false });
    await compare(t, adapter, name);
  });
}

t.test('an adapter of several ranks and scales answers as the weights it is merged into', async (t) => {
  const ranks = { 'attention.self.key_proj': 2, 'output.dense': 17 };
  const patterns = {
    rank_pattern: { key_proj: 2, 'layer.0.output.dense': 17, 'layer.1.output.dense': 17, 'layer.2.output.dense': 17 },
    alpha_pattern: { key_proj: 3 },
  };
  const { config } = await opened();
  await compare(
    t,
    randomAdapter(config, { linears: LAYER_LINEARS, rank: 5, ranks }, { ...patterns, use_rslora: true }),
    'mixed',
  );
});

t.test('an adapter works over narrow embeddings, one-sided attention and other labels', async (t) => {
  const config = smallConfig({
    embedding_size: 20,
    pos_att_type: 'p2c',
    norm_rel_ebd: 'none',
    position_buckets: -1,
    max_relative_positions: 9,
    id2label: { 0: 'no', 1: 'yes' },
  });
  const files = randomFiles(config);
  const checkpoint = await openCheckpoint(await writeFiles(`${t.testdir({ base: {}, merged: {} })}/base`, files));
  const adapter = randomAdapter(checkpoint.config, { linears: LAYER_LINEARS, rank: 3 });
  const rows = tokens(generator(4), 120, [2, 15]);
  const expected = await logitsOfFiles(`${t.testdirName}/merged`, merged(files, adapter), rows);
  for (const choice of [{}, { adapterOfRow: [0, 0] }]) {
    t.ok(difference((await logitsOf(checkpoint, rows, [adapter], choice)).flat(), expected.flat()) < 1e-4);
  }
});

t.test('an adapter whose B is zero and whose head is the base’s answers as the base', async (t) => {
  const checkpoint = await opened();
  const { tensors } = readFiles(GOLDEN);
  const head = { weight: tensors.get('classifier.weight')!.data, bias: tensors.get('classifier.bias')!.data };
  const zero = { ...randomAdapter(checkpoint.config, { linears: LAYER_LINEARS, zeroB: true }), head };
  const base = await logitsOf(checkpoint, ROWS);
  t.ok(difference((await logitsOf(checkpoint, ROWS, [zero])).flat(), base.flat()) < 1e-6);
  t.ok(
    difference((await logitsOf(checkpoint, ROWS, [{ modules: new Map(), head }])).flat(), base.flat()) < 1e-6,
    'no modules',
  );
});

t.test('in a mixed batch each row answers as under its adapter alone', async (t) => {
  const checkpoint = await opened();
  const { config } = checkpoint;
  const adapters = [
    randomAdapter(config, { linears: QUERY_VALUE, rank: 4, seed: 1 }),
    randomAdapter(config, { linears: ['attention.self.key_proj', 'intermediate.dense'], rank: 9, seed: 2 }),
    randomAdapter(config, { linears: LAYER_LINEARS, rank: 2, seed: 3 }),
  ];
  const rows = tokens(generator(6), 300, [5, 40, 1, 17, 40, 3, 9]);
  const adapterOfRow = [2, 0, 1, 1, 2, 0, 0];
  t.match(commonShape(adapters, true), { targets: 'all', rank: 16, bank: true });
  const mixed = await logitsOf(checkpoint, rows, adapters, { adapterOfRow });
  for (const [i, row] of rows.entries()) {
    const [alone] = await logitsOf(checkpoint, [row], [adapters[adapterOfRow[i]!]!]);
    t.ok(difference(mixed[i]!, alone!) < 1e-5, `row ${i}: ${difference(mixed[i]!, alone!)}`);
  }
});

t.test('padding the rank further changes nothing', async (t) => {
  const checkpoint = await opened();
  const adapter = randomAdapter(checkpoint.config, { linears: QUERY_VALUE, rank: 4 });
  const expected = (await logitsOf(checkpoint, ROWS, [adapter])).flat();
  for (const rank of [16, 32, 64] as const) {
    const wider = await logitsOf(checkpoint, ROWS, [adapter], { shape: { targets: 'all', rank, bank: false } });
    t.ok(difference(wider.flat(), expected) < 1e-5, `rank ${rank}, all targets`);
  }
});

t.test('a rank above the largest is refused', async (t) => {
  const { config } = await opened();
  const [linear] = QUERY_VALUE;
  const [out, inner] = linearShape(config, linear);
  const lora = { linear, rank: 65, scale: 1, a: new Float32Array(65 * inner), b: new Float32Array(65 * out) };
  const adapter = { modules: new Map([['x', lora]]), head: { weight: new Float32Array(0), bias: new Float32Array(0) } };
  t.throws(() => commonShape([adapter], false), { name: 'RangeError', message: /rank 65 is above 64/ });
});
