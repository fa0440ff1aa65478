/** The forward graph against an independent implementation, and against itself where the answer must not change. */
import path from 'node:path';
import t, { type Test } from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { batch } from '../../src/graph/batch.js';
import { attention, firstRowAttention } from '../../src/graph/attention.js';
import { branches } from '../../src/graph/branches.js';
import { input, layerNorm, slice } from '../../src/graph/build.js';
import { mul } from '../../src/graph/dims.js';
import { float32Linears } from '../../src/graph/linears.js';
import { compile } from '../../src/graph/onnx.js';
import { weightsOf } from '../../src/graph/weights.js';
import { openSession } from '../../src/runtime/session.js';
import { difference } from '../support/array.js';
import {
  GOLDEN,
  altered,
  goldenFolder,
  logitsOf,
  logitsOfFiles,
  randomFiles,
  readFiles,
  smallConfig,
} from '../support/checkpoints.js';
import { floats, generator, tokens } from '../support/random.js';
import { referenceLogits } from '../support/reference.js';
import { type ElementType, rounded } from '../support/tensor-bytes.js';

const random = generator(11);
const LENGTHS = [1, 2, 3, 7, 30];

const VARIANTS: [string, Record<string, unknown>][] = [
  ['as the golden folder', {}],
  ['pos_att_type as a text', { pos_att_type: 'p2c|c2p' }],
  ['content to position alone', { pos_att_type: ['c2p'] }],
  ['position to content alone', { pos_att_type: 'p2c' }],
  ['embeddings narrower than the hidden states', { embedding_size: 20 }],
  ['embeddings wider than the hidden states', { embedding_size: 40 }],
  ['relative embeddings not normalised', { norm_rel_ebd: 'none' }],
  ['norm_rel_ebd absent', { norm_rel_ebd: undefined }],
  ['no buckets', { position_buckets: -1, max_relative_positions: 16 }],
  ['no buckets, span from max_position_embeddings', { position_buckets: -1, max_position_embeddings: 24 }],
  ['an odd number of buckets', { position_buckets: 9 }],
  ['two buckets', { position_buckets: 2 }],
  ['max_relative_positions beside buckets', { max_relative_positions: 20 }],
  ['one layer', { num_hidden_layers: 1 }],
  ['one head', { num_attention_heads: 1 }],
  ['a large epsilon', { layer_norm_eps: 0.1 }],
  ['two labels', { id2label: { 0: 'no', 1: 'yes' } }],
  ['five labels in another order', { id2label: { 4: 'e', 2: 'c', 0: 'a', 1: 'b', 3: 'd' } }],
  ['one label', { id2label: { 0: 'only' } }],
];

for (const [name, changes] of VARIANTS) {
  t.test(`${name}: the logits are those of the formulas`, async (t) => {
    const files = randomFiles(smallConfig(changes));
    const rows = tokens(random, 120, LENGTHS);
    const got = await logitsOfFiles(t.testdir(), files, rows);
    rows.forEach((row, i) => {
      const off = difference(got[i]!, referenceLogits(files.config, files.tensors, [...row]));
      t.ok(off < 1e-4, `${row.length} tokens: ${off}`);
    });
  });
}

t.test('the order of labels is that of their numbers', async (t) => {
  const folder = t.testdir();
  await logitsOfFiles(
    folder,
    randomFiles(smallConfig({ id2label: { 2: 'c', 0: 'a', 1: 'b' } })),
    tokens(random, 120, [3]),
  );
  t.strictSame((await openCheckpoint(folder)).config.id2label, ['a', 'b', 'c']);
});

for (const name of GOLDEN) {
  t.test(`${name}: neither padding nor batch mates change a row`, async (t) => {
    const checkpoint = await openCheckpoint(goldenFolder(name, 'checkpoint'));
    const rows = tokens(random, checkpoint.config.vocabSize, [1, 2, 3, 5, 20, 64, 20]);
    const together = await logitsOf(checkpoint, rows);
    const reversed = (await logitsOf(checkpoint, rows.toReversed())).toReversed();
    for (const [i, row] of rows.entries()) {
      const [alone] = await logitsOf(checkpoint, [row]);
      t.ok(difference(together[i]!, alone!) < 1e-5, `${row.length} tokens, padded`);
      t.ok(difference(reversed[i]!, alone!) < 1e-5, `${row.length} tokens, elsewhere in the batch`);
    }
  });
}

t.test('a row may hold the padding’s id', async (t) => {
  const { config, tensors } = readFiles(goldenFolder('short-buckets', 'checkpoint'));
  const rows = [Int32Array.of(1, 0, 5, 0), Int32Array.of(1, 2, 3, 4, 5, 6, 7)];
  const [got] = await logitsOf(await openCheckpoint(goldenFolder('short-buckets', 'checkpoint')), rows);
  t.ok(difference(got!, referenceLogits(config, tensors, [...rows[0]!])) < 1e-4);
});

t.test('the first row alone is the first row of the whole attention', async (t) => {
  for (const name of GOLDEN) await compareAttention(t, name, ['c2p', 'p2c']);
  for (const types of [['c2p'], ['p2c']]) await compareAttention(t, 'short-buckets', types);
});

async function compareAttention(t: Test, name: (typeof GOLDEN)[number], types: readonly string[]): Promise<void> {
  const opened = await openCheckpoint(goldenFolder(name, 'checkpoint'));
  const checkpoint = {
    ...opened,
    config: { ...opened.config, c2p: types.includes('c2p'), p2c: types.includes('p2c') },
  };
  const { config } = checkpoint;
  const weights = weightsOf(checkpoint);
  const norm = (n: string) => weights(`deberta.encoder.LayerNorm.${n}`);
  const relative = layerNorm(weights('deberta.encoder.rel_embeddings.weight'), norm('weight'), norm('bias'), 1e-7);
  const at = {
    config,
    weights,
    linears: float32Linears(weights),
    branches: branches(config, weights, null),
    relative,
    layer: config.layers - 1,
  };
  const x = input('x', 'float32', [mul('L', 'B'), config.hiddenSize]);
  const graph = compile({ whole: slice(attention(at, x), 0, 0, 'B'), first: firstRowAttention(at, x) });
  const session = await openSession(graph, { directory: checkpoint.directory, threads: 1 });
  for (const lengths of [[1], [2, 1], [9, 30, 4]]) {
    const { feeds, bindings } = batch(config, tokens(random, config.vocabSize, lengths));
    const shape = [bindings.L * bindings.B, config.hiddenSize];
    const states = { x: { data: floats(random, shape[0]! * shape[1]!), shape } };
    const { whole, first } = await session.run({ ...feeds, ...states }, bindings);
    t.ok(difference(whole!, first!) < 1e-5, `${name}, ${types.join()}, ${lengths.join()} tokens`);
  }
}

for (const type of ['F16', 'BF16'] as const satisfies readonly ElementType[]) {
  t.test(`a checkpoint of ${type} gives the logits of its weights as float32`, async (t) => {
    const folder = t.testdir();
    const narrow = smallConfig({ embedding_size: 20 });
    for (const files of [...GOLDEN.map((name) => readFiles(goldenFolder(name, 'checkpoint'))), randomFiles(narrow)]) {
      const whole = path.join(folder, 'whole');
      const exact = [...files.tensors].map(
        ([name, { shape, data }]) => [name, { shape, data: data.map((x) => rounded(x, type)) }] as const,
      );
      const rows = tokens(random, 120, [5, 17, 40]);
      const expected = await logitsOfFiles(whole, { ...files, tensors: new Map(exact) }, rows);
      const got = await logitsOfFiles(path.join(folder, 'half'), files, rows, type);
      got.forEach((row, i) => t.ok(difference(row, expected[i]!) < 1e-5, `row ${i}: ${difference(row, expected[i]!)}`));
    }
  });
}

t.test('weights that are not finite show in the logits', async (t) => {
  const { config, tensors } = readFiles(goldenFolder('short-buckets', 'checkpoint'));
  const broken = altered(tensors, 'classifier.bias', (x, i) => (i === 1 ? Number.NaN : x));
  const [row] = await logitsOfFiles(t.testdir(), { config, tensors: broken }, tokens(random, 120, [4]));
  t.strictSame(row!.map(Number.isNaN), [false, true, false]);
});
