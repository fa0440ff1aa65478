/** Every operator's gradient rule against finite differences, through onnxruntime. */
import os from 'node:os';
import t from 'tap';
import {
  add,
  cast,
  erf,
  exp,
  expand,
  gather,
  gelu,
  gemm,
  input,
  layerNorm,
  logSoftmax,
  matmul,
  multiply,
  pad,
  reduceSum,
  reshape,
  slice,
  softmax,
  straightThrough,
  subtract,
  times,
  transpose,
} from '../../src/graph/build.js';
import { type DimLike, type Dim, evaluate, mul, shape, sub } from '../../src/graph/dims.js';
import { gradients } from '../../src/graph/gradient.js';
import { type Linears, float32Linears, int8Linears, int8TrainingLinears } from '../../src/graph/linears.js';
import { compile } from '../../src/graph/onnx.js';
import type { OpName } from '../../src/graph/operators.js';
import type { Value } from '../../src/graph/value.js';
import { type Feeds, openSession } from '../../src/runtime/session.js';
import { floats, generator } from '../support/random.js';

interface Case {
  readonly of: string;
  readonly inputs: readonly (readonly DimLike[])[];
  readonly build: (x: readonly Value[]) => Value;
  readonly tolerance?: number;
}

type Build = (...x: [Value, Value, Value]) => Value;

const of = (title: string, inputs: Case['inputs'], build: Build): Case => ({
  of: title,
  inputs,
  build: (x) => build(...(x as [Value, Value, Value])),
});

const BINDINGS = { B: 2, L: 3 };

/** Steps that lead to nothing that is trained. */
type Undifferentiated = 'Gather' | 'MatMulIntegerToFloat' | 'Max' | 'QuantizeLinear' | 'ReduceMax' | 'ReduceMin';

const slopeOf3 = (dy: Value, sum: Value | null): Value => (sum ? add(sum, times(dy, 3)) : times(dy, 3));

const CASES: { readonly [K in Exclude<OpName, Undifferentiated>]: readonly Case[] } = {
  Add: [
    of(
      'two of one shape',
      [
        [2, 3],
        [2, 3],
      ],
      add,
    ),
    of('a row stretched over rows', [[2, 3], [3]], add),
    of(
      'both stretched',
      [
        [2, 1, 3],
        [4, 1],
      ],
      add,
    ),
    of('a value added to itself', [[2, 3]], (x) => add(x, x)),
  ],
  Cast: [{ ...of('float16 and back', [[2, 3]], (x) => cast(cast(x, 'float16'), 'float32')), tolerance: 0.03 }],
  Erf: [of('a matrix', [[2, 3]], erf)],
  Exp: [of('a matrix', [[2, 3]], exp)],
  Expand: [
    of('an axis of 1', [[2, 1, 3]], (x) => expand(x, shape(2, 4, 3))),
    of('a new axis', [[3]], (x) => expand(x, shape('B', 3))),
  ],
  FusedMatMul: [
    of(
      'matrices',
      [
        [2, 3],
        [3, 4],
      ],
      (a, b) => matmul(a, b),
    ),
    of(
      'A transposed',
      [
        [3, 2],
        [3, 4],
      ],
      (a, b) => matmul(a, b, { transA: 1, alpha: 0.5 }),
    ),
    of(
      'B transposed',
      [
        [2, 3],
        [4, 3],
      ],
      (a, b) => matmul(a, b, { transB: 1, alpha: 0.5 }),
    ),
    of(
      'both transposed',
      [
        [5, 3, 2],
        [5, 4, 3],
      ],
      (a, b) => matmul(a, b, { transA: 1, transB: 1 }),
    ),
    of(
      'position-major operands',
      [
        [3, 2, 2, 4],
        [5, 2, 2, 4],
      ],
      (a, b) => matmul(a, b, { transBatchA: 1, transBatchB: 1, transB: 1, alpha: 2 }),
    ),
    of(
      'a position-major B',
      [
        [2, 2, 4, 3],
        [3, 2, 2, 5],
      ],
      (a, b) => matmul(a, b, { transBatchB: 1 }),
    ),
    of(
      'a position-major A, transposed',
      [
        [3, 2, 4],
        [2, 3, 5],
      ],
      (a, b) => matmul(a, b, { transBatchA: 1, transA: 1 }),
    ),
    of(
      'a batch stretched',
      [
        ['L', 'B', 2, 4],
        [5, 1, 2, 4],
      ],
      (a, b) => matmul(a, b, { transBatchA: 1, transBatchB: 1, transB: 1 }),
    ),
  ],
  Gelu: [
    of('a matrix', [[3, 5]], gelu),
    of(
      'into a scaled product',
      [
        [3, 5],
        [2, 5],
      ],
      (x, w) => gemm(gelu(x), w, null, { transB: 1, alpha: 3 }),
    ),
  ],
  Gemm: [
    of('with a bias', [[2, 3], [4, 3], [4]], (a, b, c) => gemm(a, b, c, { transB: 1 })),
    of(
      'with a matrix added',
      [
        [2, 3],
        [3, 4],
        [2, 4],
      ],
      (a, b, c) => gemm(a, b, c, { alpha: 0.5 }),
    ),
    of(
      'A transposed',
      [
        [3, 2],
        [3, 4],
      ],
      (a, b) => gemm(a, b, null, { transA: 1 }),
    ),
    of(
      'both transposed',
      [
        [3, 2],
        [4, 3],
      ],
      (a, b) => gemm(a, b, null, { transA: 1, transB: 1, alpha: 2 }),
    ),
    of(
      'one A for two products',
      [
        [2, 3],
        [4, 3],
        [4, 3],
      ],
      (a, b, c) => gemm(a, c, gemm(a, b, null, { transB: 1 }), { transB: 1 }),
    ),
  ],
  LayerNormalization: [of('rows, scale and shift', [[3, 8], [8], [8]], (x, g, b) => layerNorm(x, g, b, 1e-7))],
  LogSoftmax: [of('rows', [[3, 4]], logSoftmax)],
  Mul: [
    of(
      'two of one shape',
      [
        [2, 3],
        [2, 3],
      ],
      multiply,
    ),
    of(
      'a column stretched',
      [
        [2, 3],
        [2, 1],
      ],
      multiply,
    ),
    of('a square', [[2, 3]], (x) => multiply(x, x)),
  ],
  Pad: [of('zeros on both sides', [['B', 'L']], (x) => pad(x, 1, 2, 'L'))],
  ReduceSum: [
    of('an inner axis', [[2, 3, 4]], (x) => exp(reduceSum(x, 1))),
    of('the last axis', [[2, 3]], (x) => reduceSum(x, 1)),
  ],
  Reshape: [of('another shape', [['B', 'L', 4]], (x) => exp(reshape(x, mul('B', 'L'), 4)))],
  Slice: [
    of('the middle of an axis', [['L', 5]], (x) => slice(exp(x), 1, 1, 3)),
    of('by symbols', [['L', 5]], (x) => slice(x, 0, 1, sub('L', 1))),
  ],
  Softmax: [of('rows', [[3, 4]], softmax)],
  StraightThrough: [
    of('by a slope of its own', [[2, 3]], (x) => straightThrough(x, times(x, 3), slopeOf3)),
    of('added to what there is', [[2, 3]], (x) => add(multiply(x, x), straightThrough(x, times(x, 3), slopeOf3))),
  ],
  Sub: [
    of('a row stretched over rows', [[2, 3], [3]], subtract),
    of(
      'both stretched',
      [
        [2, 1],
        [1, 3],
      ],
      subtract,
    ),
  ],
  Transpose: [of('three axes turned', [[2, 3, 4]], (x) => exp(transpose(x, [2, 0, 1])))],
};

/** Values without pattern, of the size of 1, the same in every run. */
const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 1.2 * Math.sin(12.9898 * (i + 1) + 78.233 * seed));

const sizes = (dims: readonly Dim[]): number[] => dims.map((d) => evaluate(d, BINDINGS));
const count = (dims: readonly Dim[]): number => sizes(dims).reduce((a, b) => a * b, 1);

/** Σ weights · build(x) as a scalar, and its gradients beside the plain output. */
function graphOf({ inputs, build }: Case): { x: Value[]; y: Value; session: ReturnType<typeof openSession> } {
  const x = inputs.map((dims, i) => input(`x${i}`, 'float32', dims));
  const y = build(x);
  const loss = reduceSum(reshape(multiply(y, input('weights', 'float32', y.shape)), mul(1, ...y.shape)), 0);
  const outputs = gradients(loss, x).map((dx, i) => [`dx${i}`, times(dx, 1)] as const);
  const graph = compile({ y: times(y, 1), ...Object.fromEntries(outputs) });
  return { x, y, session: openSession(graph, { directory: '.', threads: 1 }) };
}

const STEP = 0.05;
/** The central difference of fourth order: f(x - 2h), f(x - h), f(x + h), f(x + 2h). */
const STENCIL = [
  [-2, 1],
  [-1, -8],
  [1, 8],
  [2, -1],
] as const;

async function largestError(given: Case): Promise<number> {
  const { x, y, session } = graphOf(given);
  const { run } = await session;
  const feeds: Record<string, Feeds[string]> = { weights: { data: numbers(count(y.shape), 9), shape: sizes(y.shape) } };
  x.forEach((v, i) => (feeds[`x${i}`] = { data: numbers(count(v.shape), i), shape: sizes(v.shape) }));
  const weights = feeds['weights']!.data;
  const loss = async (): Promise<number> =>
    (await run(feeds, BINDINGS))['y']!.reduce((sum, n, i) => sum + n * weights[i]!, 0);
  const exact = await run(feeds, BINDINGS);
  let largest = 0;
  for (const i of x.keys()) {
    const { data } = feeds[`x${i}`]!;
    for (let e = 0; e < data.length; e++) {
      const middle = data[e]!;
      let slope = 0;
      for (const [steps, factor] of STENCIL) {
        data[e] = middle + steps * STEP;
        slope += (factor * (await loss())) / (12 * STEP);
      }
      data[e] = middle;
      largest = Math.max(largest, Math.abs(slope - exact[`dx${i}`]![e]!));
    }
  }
  return largest;
}

for (const [op, cases] of Object.entries(CASES)) {
  await t.test(op, async (t) => {
    for (const given of cases) t.ok((await largestError(given)) < (given.tolerance ?? 3e-4), given.of);
  });
}

await t.test('a table that is gathered from cannot be trained', async (t) => {
  const x = input('x', 'float32', [4]);
  const loss = reduceSum(gather(x, input('rows', 'int32', [2])), 0);
  t.throws(() => gradients(loss, [x]), { message: /Gather has no gradient/ });
});

await t.test('codes have no slope, a Linear in codes has that of the float32 one', async (t) => {
  const inputs = { x: [2, 40], 'm.weight': [5, 40], 'm.bias': [5], dy: [2, 5] } as const;
  const values = new Map(Object.entries(inputs).map(([name, dims]) => [name, input(name, 'float32', dims)]));
  const [x, dy] = [values.get('x')!, values.get('dy')!];
  const weights = (name: string): Value => values.get(name)!;
  const loss = (y: Value): Value => reduceSum(reshape(multiply(y, dy), 10), 0);
  t.throws(() => gradients(loss(int8Linears(weights, 127)('m', x)), [x]), { message: /has no gradient/ });
  const slope = (linears: Linears): Value => gradients(loss(linears('m', x)), [x])[0]!;
  const random = generator(17);
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, dims]) => [
      name,
      { data: floats(random, dims[0] * (dims[1] ?? 1), 1), shape: dims },
    ]),
  );
  const exact = float32Linears(weights);
  const coded = int8Linears(weights, 127);
  const [forward, backward, both] = [
    int8TrainingLinears(weights, 127, { forward: 'int8', backward: 'float32' }),
    int8TrainingLinears(weights, 127, { forward: 'float32', backward: 'int8' }),
    int8TrainingLinears(weights, 127, { forward: 'int8', backward: 'int8' }),
  ];
  const all = Object.entries({ exact, coded, forward, backward, both });
  const weighed = all.map(([name, linears]): [string, Value] => [`y of ${name}`, multiply(linears('m', x), dy)]);
  const slopes = all
    .filter(([name]) => name !== 'coded')
    .map(([name, l]): [string, Value] => [`dx of ${name}`, slope(l)]);
  const graph = compile(Object.fromEntries([...weighed, ...slopes]));
  const found = await (await openSession(graph, { directory: os.tmpdir(), threads: 1 })).run(feeds, {});
  t.same(found['y of forward'], found['y of coded']);
  t.same(found['y of backward'], found['y of exact']);
  t.same(found['y of both'], found['y of coded']);
  t.same(found['dx of forward'], found['dx of exact']);
  t.same(found['dx of backward'], found['dx of both'], 'the same product in integers');
  const dx = found['dx of exact']!;
  const distance = Math.max(...found['dx of both']!.map((value, i) => Math.abs(value - dx[i]!)));
  t.ok(distance > 0 && distance < 0.03 * Math.max(...dx.map(Math.abs)), 'another product, and nearly the same');
});

await t.test('an input the loss does not depend on is named', async (t) => {
  const [x, other] = [input('x', 'float32', [4]), input('other', 'float32', [4])];
  t.throws(() => gradients(reduceSum(x, 0), [x, other]), { message: 'the loss does not depend on other' });
});

await t.test('a frozen table may be gathered from below what is trained', async (t) => {
  const rows = gather(input('table', 'float32', [4, 3]), input('rows', 'int32', [2]));
  const w = input('w', 'float32', [5, 3]);
  const [dw] = gradients(reduceSum(reshape(gemm(rows, w, null, { transB: 1 }), 10), 0), [w]);
  t.same(dw!.shape, w.shape);
});
