/** The engine with real children: right answers in order, whatever the batches are. */
import os from 'node:os';
import { unlinkSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { type Engine, type EngineOptions, openEngine } from '../../src/engine/engine.js';
import { LAYER_LINEARS } from '../../src/checkpoint/names.js';
import { randomAdapter } from '../support/adapters.js';
import { difference } from '../support/array.js';
import { TINY, altered, goldenFolder, logitsOf, readFiles, writeFiles } from '../support/checkpoints.js';
import { eventually, ownChildren } from '../support/processes.js';
import { generator, integer, tokens } from '../support/random.js';

const GOLDEN = goldenFolder('short-buckets', 'checkpoint');
const random = generator(21);

async function engineOf(
  t: Test,
  folder: string,
  options: Partial<EngineOptions> = {},
): Promise<{ checkpoint: Checkpoint; engine: Engine }> {
  const checkpoint = await openCheckpoint(folder);
  const engine = await openEngine(checkpoint, options);
  t.teardown(() => engine.close());
  return { checkpoint, engine };
}

function same(
  t: Test,
  got: readonly (Float32Array | null)[],
  expected: readonly (readonly number[])[],
  name: string,
): void {
  const off = difference(
    got.flatMap((row) => [...(row ?? [])]),
    expected.flat(),
  );
  t.ok(off < 2e-5, `${name}: ${off}`);
}

for (const [name, folder, vocabulary] of [
  ['the bundled model', TINY, 12_000],
  ['a golden checkpoint', GOLDEN, 120],
] as const) {
  t.test(`${name}: answers are those of a session, rows in their order`, async (t) => {
    const { checkpoint, engine } = await engineOf(t, folder, { children: 2, batchTokens: 200, batchRows: 4 });
    const rows = tokens(random, vocabulary, [3, 90, 1, 17, 64, 2, 90, 33, 5, 12, 250, 8]);
    const expected = await logitsOf(checkpoint, rows);
    same(t, await engine.classify(rows), expected, 'together');
    const [lone] = await engine.classify([rows[3]!]);
    same(t, [lone!], [expected[3]!], 'a lone row, on all cores');
    const { totals, queuedPairs, queuedTokens, children, ready } = engine.status();
    t.ok(totals.batches > 2 && totals.paddedTokens >= totals.tokens, JSON.stringify(totals));
    t.match(totals, { rows: 13, tokens: 592, retries: 0, restarts: 0 });
    t.same([queuedPairs, queuedTokens, ready, children.map(({ state }) => state)], [0, 0, true, ['idle', 'idle']]);
  });
}

const shared = {
  checkpoint: await openCheckpoint(GOLDEN),
  engine: await openEngine(await openCheckpoint(GOLDEN), { children: 2 }),
};
t.teardown(() => shared.engine.close());

t.test('three hundred requests at once each get their own answer', async (t) => {
  const { checkpoint, engine } = shared;
  const pool = tokens(
    random,
    120,
    Array.from({ length: 40 }, (_, i) => 1 + i),
  );
  const expected = await logitsOf(checkpoint, pool);
  const requests = Array.from({ length: 300 }, () =>
    Array.from({ length: integer(random, 1, 5) }, () => integer(random, 0, 39)),
  );
  const answers = await Promise.all(requests.map((request) => engine.classify(request.map((i) => pool[i]!))));
  same(
    t,
    answers.flat(),
    requests.flat().map((i) => expected[i]!),
    'all',
  );
  t.strictSame(
    answers.map(({ length }) => length),
    requests.map(({ length }) => length),
  );
  t.equal(engine.status().totals.rows, requests.flat().length);
  t.strictSame(await engine.classify([]), [], 'no rows need no child');
  t.equal(engine.status().totals.rows, requests.flat().length);
});

t.test('requests of one moment share a batch when the batch may wait', async (t) => {
  const { engine } = await engineOf(t, GOLDEN, { children: 1, batchAgeMs: 100 });
  await Promise.all(tokens(random, 120, [7, 7, 7]).map((row) => engine.classify([row])));
  t.match(engine.status().totals, { batches: 1, rows: 3, tokens: 21, paddedTokens: 21 });
});

const BAD_ROWS: [string, Int32Array, RegExp][] = [
  ['no tokens', new Int32Array(0), /a row has no tokens/],
  ['an id that is too large', Int32Array.of(1, 120, 2), /token id 120 is not one of the model's 120/],
  ['a negative id', Int32Array.of(1, -1), /token id -1/],
];

t.test('a row that no model could judge is refused alone, its batch mates are answered', async (t) => {
  const { checkpoint, engine } = shared;
  const rows = tokens(random, 120, [4, 4]);
  const expected = await logitsOf(checkpoint, rows);
  for (const [name, bad, message] of BAD_ROWS) {
    const [good, refused] = await Promise.allSettled([engine.classify(rows), engine.classify([rows[0]!, bad])]);
    t.match(refused, { status: 'rejected', reason: { name: 'RangeError', message } }, name);
    same(t, good?.status === 'fulfilled' ? good.value : [], expected, `beside ${name}`);
  }
  t.match(engine.status().totals, { retries: 0, restarts: 0 });
});

t.test('logits that are not finite are null, those of other labels or rows are not taken for them', async (t) => {
  const { config, tensors } = readFiles(GOLDEN);
  // one embedding is not a number: only rows that hold its token suffer
  const spoilt = altered(tensors, 'deberta.embeddings.word_embeddings.weight', (x, i) =>
    i === 77 * 32 ? Number.NaN : x,
  );
  const { engine } = await engineOf(t, await writeFiles(t.testdir(), { config, tensors: spoilt }), { children: 1 });
  const rows = [Int32Array.of(1, 2, 3), Int32Array.of(1, 77, 3), Int32Array.of(4, 5, 6)];
  const answers = await engine.classify(rows);
  t.strictSame(
    answers.map((row) => row?.length ?? null),
    [3, null, 3],
  );
});

t.test('a classifier that is not finite makes every row null', async (t) => {
  const { config, tensors } = readFiles(GOLDEN);
  const spoilt = altered(tensors, 'classifier.bias', (x, i) => (i === 2 ? Number.POSITIVE_INFINITY : x));
  const { engine } = await engineOf(t, await writeFiles(t.testdir(), { config, tensors: spoilt }), { children: 1 });
  t.strictSame(await engine.classify(tokens(random, 120, [3, 9])), [null, null]);
});

t.test('held adapters answer alone and mixed as in a session, base included', async (t) => {
  const { checkpoint, engine } = shared;
  const adapters = [
    randomAdapter(checkpoint.config, { linears: ['attention.self.query_proj', 'attention.self.value_proj'], seed: 1 }),
    randomAdapter(checkpoint.config, { linears: LAYER_LINEARS, rank: 12, seed: 2 }),
  ];
  for (const adapter of adapters) await engine.hold(adapter.digest, adapter);
  const rows = tokens(random, 120, [6, 6, 19]);
  const expected = [
    await logitsOf(checkpoint, rows),
    await logitsOf(checkpoint, rows, [adapters[0]!]),
    await logitsOf(checkpoint, rows, [adapters[1]!]),
  ];
  const digests = [null, adapters[0]!.digest, adapters[1]!.digest];
  const apart = await Promise.all(digests.map((adapter) => engine.classify(rows, { adapter })));
  apart.forEach((answer, i) => same(t, answer, expected[i]!, `apart, adapter ${i}`));
  const together = await engine.classify(rows, { adapters: digests });
  same(
    t,
    together,
    rows.flatMap((_, row) => expected.map((of) => of[row]!)),
    'together, row by row',
  );
});

t.test('an adapter that is not held is refused; one that is forgotten still answers what waits for it', async (t) => {
  const { checkpoint, engine } = await engineOf(t, GOLDEN, { children: 1, batchRows: 1 });
  const adapter = randomAdapter(checkpoint.config, { linears: ['attention.self.query_proj'] });
  const rows = tokens(random, 120, [5, 6, 7, 8]);
  const ask = (): Promise<(Float32Array | null)[]> => engine.classify(rows, { adapter: adapter.digest });
  await t.rejects(ask(), { code: 'unavailable' });
  await engine.hold(adapter.digest, adapter);
  const waiting = ask();
  engine.forget(adapter.digest);
  await t.rejects(ask(), { code: 'unavailable' });
  same(t, await waiting, await logitsOf(checkpoint, rows, [adapter]), 'those that wait');
});

t.test('children are nicer than their parent', async (t) => {
  for (const { pid } of shared.engine.status().children) t.ok(os.getPriority(pid) > os.getPriority());
});

const UNOPENABLE: [string, (folder: string) => void, RegExp][] = [
  ['weights that have gone', (folder) => unlinkSync(path.join(folder, 'model.safetensors')), /model\.safetensors/],
];

t.test('a checkpoint that children cannot open rejects with the reason and leaves no process', async (t) => {
  for (const [name, spoil, message] of UNOPENABLE) {
    const folder = await writeFiles(t.testdir(), readFiles(GOLDEN));
    const checkpoint = await openCheckpoint(folder);
    const before = ownChildren();
    spoil(folder);
    await t.rejects(openEngine(checkpoint, { children: 2 }), { message }, name);
    await eventually(() => ownChildren() === before);
  }
});

t.test('a program that cannot be started rejects with the reason', async (t) => {
  const checkpoint = await openCheckpoint(GOLDEN);
  const { execPath } = process;
  t.teardown(() => (process.execPath = execPath));
  process.execPath = path.join(t.testdir(), 'no-node');
  await t.rejects(openEngine(checkpoint, { children: 2 }), { message: /no-node.* ENOENT|ENOENT/ });
});
