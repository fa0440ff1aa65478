import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import {
  apply,
  cast,
  floats,
  gather,
  gemm,
  input,
  ints,
  multiply,
  reshape,
  slice,
  weight,
} from '../../src/graph/build.js';
import { mul, sub } from '../../src/graph/dims.js';
import { compile } from '../../src/graph/onnx.js';
import { openSession } from '../../src/runtime/session.js';
import { runGraph } from '../support/run-graph.js';

const x = input('x', 'float32', ['L', 2]);
const add = (a: typeof x, b: typeof x): typeof x => apply('Add', [a, b], {});

t.test('a graph names what it is fed with, each once', async (t) => {
  const y = add(multiply(x, x), slice(reshape(x, mul('L', 2), 1), 0, sub('L', 1), 1));
  const { inputs, dimsFeeds, outputs } = compile({ y });
  t.strictSame(inputs, ['x']);
  t.strictSame(outputs, ['y']);
  t.equal(new Set(dimsFeeds.map(({ name }) => name)).size, dimsFeeds.length);
});

t.test('a node used twice is computed once, its value the same', async (t) => {
  const square = multiply(x, x);
  const { y } = await runGraph(
    { y: add(square, square) },
    { x: { dtype: 'float32', dims: [1, 2], data: [2, 3] } },
    { L: 1 },
  );
  t.strictSame(y!.data, [8, 18]);
  const written = Buffer.from(compile({ y: add(square, square) }).bytes).toString('latin1');
  t.equal(new Set(written.match(/Mul_\d+/g)).size, 1);
});

t.test('several outputs come back by name', async (t) => {
  const feeds = { x: { dtype: 'float32', dims: [1, 2], data: [2, 3] } } as const;
  const { doubled, squared } = await runGraph({ doubled: add(x, x), squared: multiply(x, x) }, feeds, { L: 1 });
  t.strictSame(
    [doubled!.data, squared!.data],
    [
      [4, 6],
      [4, 9],
    ],
  );
});

t.test('an output that is no node of its own is refused', async (t) => {
  const y = add(x, x);
  t.throws(() => compile({ x }), { name: 'TypeError', message: /output x/ });
  t.throws(() => compile({ y, z: y }), { name: 'TypeError', message: /output z/ });
});

t.test('negative and large int64 constants arrive whole', async (t) => {
  const numbers = [0, -1, 255, -(2 ** 31), 2 ** 31, 16777216];
  const y = cast(gather(ints(numbers), input('i', 'int32', [6])), 'float32');
  const { y: got } = await runGraph({ y }, { i: { dtype: 'int32', dims: [6], data: [0, 1, 2, 3, 4, 5] } });
  t.strictSame(got!.data, numbers);
});

const file = Buffer.concat([Buffer.from('odd'), Buffer.from(Float32Array.of(1, 2, 3, 4).buffer)]);
const place = { name: 'w', file: 'w.bin', offset: 3, length: 16 };
const linear = (source = place) =>
  compile({
    y: gemm(input('a', 'float32', [1, 2]), weight(source, 'float32', [2, 2]), floats([10, 20], [2]), { transB: 1 }),
  });
const feeds = { a: { data: Float32Array.of(1, -1), shape: [1, 2] } };

t.test('a weight is read where it lies, at any offset', async (t) => {
  const directory = t.testdir({ 'w.bin': file });
  const session = await openSession(linear(), { directory, threads: 1 });
  t.strictSame([...(await session.run(feeds, {}))['y']!], [9, 19]);
});

t.test('a session refuses a weight outside its folder, outside its file or of no file', async (t) => {
  const directory = t.testdir({ inside: { 'w.bin': file, link: t.fixture('symlink', '../w.bin') }, 'w.bin': file });
  const inside = path.join(directory, 'inside');
  await writeFile(path.join(directory, 'short.bin'), file.subarray(0, 8));
  for (const name of ['../w.bin', path.join(directory, 'w.bin'), 'link', 'none.bin', '../short.bin']) {
    await t.rejects(openSession(linear({ ...place, file: name }), { directory: inside, threads: 1 }), name);
  }
  await t.rejects(openSession(linear({ ...place, offset: 8 }), { directory: inside, threads: 1 }), 'beyond the end');
});

t.test('an input that is not fed is named', async (t) => {
  const session = await openSession(compile({ y: add(x, x) }), { directory: t.testdir(), threads: 1 });
  await t.rejects(session.run({}, { L: 1 }), { message: /graph input x is not fed/ });
});
