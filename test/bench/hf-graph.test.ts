/** The stand-in for the exporter's file answers as transformers does, so that what is timed beside Errata is the same model. */
import '../../src/runtime/telemetry.js';
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import t from 'tap';
import type { PeerPrecision } from '../../bench/peers/hf-graph.js';
import { graphOf } from '../../bench/peers/hf-folder.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { difference } from '../support/array.js';
import { GOLDEN, goldenFolder, randomFiles, smallConfig, writeFiles } from '../support/checkpoints.js';
import { generator, tokens } from '../support/random.js';
import { referenceLogits } from '../support/reference.js';

interface Case {
  readonly input_ids: readonly (readonly number[])[];
  readonly attention_mask: readonly (readonly number[])[];
  readonly logits: readonly (readonly number[])[];
}

const casesOf = (golden: (typeof GOLDEN)[number]): Case[] =>
  (JSON.parse(readFileSync(goldenFolder(golden, 'reference.json'), 'utf8')) as { cases: Case[] }).cases;

/** Runs the stand-in of the checkpoint in `folder`. */
async function runner(folder: string, precision: PeerPrecision) {
  const graph = graphOf(await openCheckpoint(folder), precision);
  const session = await ort.InferenceSession.create(graph, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  t.teardown(() => session.release());
  return async ({ input_ids, attention_mask }: Omit<Case, 'logits'>): Promise<number[]> => {
    const fed = { input_ids: int64(input_ids), attention_mask: int64(attention_mask) };
    return Array.from((await session.run(fed))['logits']!.data as Float32Array);
  };
}

const int64 = (rows: readonly (readonly number[])[]): ort.Tensor =>
  new ort.Tensor('int64', BigInt64Array.from(rows.flat().map(BigInt)), [rows.length, rows[0]!.length]);

for (const golden of GOLDEN) {
  const folder = goldenFolder(golden, 'checkpoint');
  t.test(
    `${golden}: the float32 stand-in gives the logits of transformers, rows of unequal length included`,
    async (t) => {
      const run = await runner(folder, 'fp32');
      for (const one of casesOf(golden)) {
        const off = difference(await run(one), one.logits.flat());
        t.ok(off < 1e-4, `${one.input_ids.length} rows of ${one.input_ids[0]!.length}: ${off}`);
      }
    },
  );

  t.test(`${golden}: the quantised stand-in answers alike, with the error of eight bits`, async (t) => {
    const run = await runner(folder, 'q8');
    const cases = casesOf(golden);
    const got = (await Promise.all(cases.map(run))).flat();
    const wanted = cases.flatMap(({ logits }) => logits.flat());
    t.ok(correlation(got, wanted) > 0.98, `correlation ${correlation(got, wanted)}`);
    t.ok(difference(got, wanted) > 1e-2, 'float32 would be nearer');
  });
}

const VARIANTS: [string, Record<string, unknown>][] = [
  ['content to position alone', { pos_att_type: ['c2p'] }],
  ['position to content alone', { pos_att_type: ['p2c'] }],
  ['no buckets', { position_buckets: -1, max_relative_positions: 16 }],
  ['relative embeddings not normalised', { norm_rel_ebd: 'none' }],
  ['two labels', { id2label: { 0: 'no', 1: 'yes' } }],
];

for (const [name, changes] of VARIANTS) {
  t.test(`${name}: the stand-in's logits are those of the formulas`, async (t) => {
    const files = randomFiles(smallConfig(changes));
    const run = await runner(await writeFiles(t.testdir(), files), 'fp32');
    for (const row of tokens(generator(5), 120, [1, 7, 30])) {
      const got = await run({ input_ids: [[...row]], attention_mask: [[...row].map(() => 1)] });
      const off = difference(got, referenceLogits(files.config, files.tensors, [...row]));
      t.ok(off < 1e-4, `${row.length} tokens: ${off}`);
    }
  });
}

t.test('embeddings that a projection widens are refused: the stand-in has none', async (t) => {
  const folder = await writeFiles(t.testdir(), randomFiles(smallConfig({ embedding_size: 20 })));
  const checkpoint = await openCheckpoint(folder);
  t.throws(() => graphOf(checkpoint, 'fp32'), RangeError);
});

/** Pearson's. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [centred(a), centred(b)];
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

const centred = (a: readonly number[]): number[] => a.map((v) => v - a.reduce((sum, u) => sum + u, 0) / a.length);
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
