/** Every operator: its shape rule and its written attributes against what onnxruntime computes. */
import t, { type Test } from 'tap';
import { apply, floats as constantFloats, input, multiply, standardised } from '../../src/graph/build.js';
import { type DimLike, add, dim, evaluate, mul, sameShape, shape } from '../../src/graph/dims.js';
import { OPERATORS, type OpAttributes, type OpName, broadcast } from '../../src/graph/operators.js';
import type { DType, Value } from '../../src/graph/value.js';
import {
  type NdArray,
  at,
  broadcastAt,
  broadcastDims,
  build,
  difference,
  elements,
  erf,
  gelu,
  total,
} from '../support/array.js';
import { floats, generator, integer } from '../support/random.js';
import { type FeedType, runGraph } from '../support/run-graph.js';

interface Given {
  readonly dims: readonly DimLike[];
  readonly dtype?: FeedType;
  /** Integers are drawn from 0 to below this size. */
  readonly below?: string;
}

interface Case<K extends OpName> {
  readonly inputs: readonly Given[];
  readonly attributes: OpAttributes[K];
  readonly expected: (inputs: readonly NdArray[], sizes: Sizes) => NdArray;
}

type Sizes = Readonly<Record<'B' | 'L' | 'M', number>>;
const B = 'B';
const L = 'L';
const M = 'M';

const given = (...dims: DimLike[]): Given => ({ dims });

function elementwise(f: (a: number, b: number) => number): Case<'Add'>['expected'] {
  return ([a, b]) => build(broadcastDims(a!.dims, b!.dims), (i) => f(broadcastAt(a!, i), broadcastAt(b!, i)));
}

const swapped = (x: NdArray, swap?: 0 | 1): NdArray =>
  swap
    ? build([...x.dims.slice(0, -2), x.dims.at(-1)!, x.dims.at(-2)!], (i) =>
        at(x, [...i.slice(0, -2), i.at(-1)!, i.at(-2)!]),
      )
    : x;

/** The first axis becomes the last but one. */
const batchFirst = (x: NdArray, move?: 0 | 1): NdArray =>
  move
    ? build([...x.dims.slice(1, -1), x.dims[0]!, x.dims.at(-1)!], (i) =>
        at(x, [i.at(-2)!, ...i.slice(0, -2), i.at(-1)!]),
      )
    : x;

function product(a: NdArray, b: NdArray, alpha = 1): NdArray {
  const dims = [...broadcastDims(a.dims.slice(0, -2), b.dims.slice(0, -2)), a.dims.at(-2)!, b.dims.at(-1)!];
  return build(dims, (i) => {
    const [outer, m, n] = [i.slice(0, -2), i.at(-2)!, i.at(-1)!];
    return alpha * total(a.dims.at(-1)!, (k) => broadcastAt(a, [...outer, m, k]) * broadcastAt(b, [...outer, k, n]));
  });
}

function matmulCase(
  a: readonly DimLike[],
  b: readonly DimLike[],
  attributes: OpAttributes['FusedMatMul'],
): Case<'FusedMatMul'> {
  const { transA, transB, transBatchA, transBatchB, alpha } = attributes;
  return {
    inputs: [{ dims: a }, { dims: b }],
    attributes,
    expected: ([x, y]) =>
      product(swapped(batchFirst(x!, transBatchA), transA), swapped(batchFirst(y!, transBatchB), transB), alpha),
  };
}

function gemmCase(
  a: readonly DimLike[],
  b: readonly DimLike[],
  c: readonly DimLike[] | null,
  attributes: OpAttributes['Gemm'],
): Case<'Gemm'> {
  const { transA, transB, alpha } = attributes;
  return {
    inputs: [{ dims: a }, { dims: b }, ...(c ? [{ dims: c }] : [])],
    attributes,
    expected: ([x, y, z]) => {
      const ab = product(swapped(x!, transA), swapped(y!, transB), alpha);
      return z ? build(ab.dims, (i) => at(ab, i) + broadcastAt(z, i)) : ab;
    },
  };
}

const summed = (x: NdArray, axis: number): NdArray =>
  build(x.dims.toSpliced(axis, 1), (i) => total(x.dims[axis]!, (k) => at(x, i.toSpliced(axis, 0, k))));

const reduced = (x: NdArray, axis: number, f: (...all: number[]) => number): NdArray =>
  build(x.dims.toSpliced(axis, 1), (i) =>
    f(...Array.from({ length: x.dims[axis]! }, (_, k) => at(x, i.toSpliced(axis, 0, k)))),
  );

function halfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

const rowOf = (x: NdArray, i: readonly number[]): number[] =>
  Array.from({ length: x.dims.at(-1)! }, (_, k) => at(x, [...i.slice(0, -1), k]));

const CASES: { readonly [K in OpName]?: readonly Case<K>[] } = {
  Add: [
    [given(B, L), given(B, L)],
    [given(B, L), given(L)],
    [given(B, 1, L), given(M, 1)],
    [given(L), given()],
  ].map((inputs) => ({ inputs, attributes: {}, expected: elementwise((a, b) => a + b) })),
  LogSoftmax: [
    {
      inputs: [given(B, M, L)],
      attributes: { axis: -1 },
      expected: ([x]) =>
        build(x!.dims, (i) => at(x!, i) - Math.log(total(x!.dims.at(-1)!, (k) => Math.exp(rowOf(x!, i)[k]!)))),
    },
  ],
  Pad: [
    {
      inputs: [given(B, L, 2)],
      attributes: { axis: 1, before: dim(M), after: add(B, -1) },
      expected: ([x], s) =>
        build([s.B, s.L + s.M + s.B - 1, 2], ([i, j, k]) =>
          j! < s.M || j! >= s.M + s.L ? 0 : at(x!, [i!, j! - s.M, k!]),
        ),
    },
    {
      inputs: [given(3)],
      attributes: { axis: 0, before: dim(0), after: dim(2) },
      expected: ([x]) => build([5], ([i]) => (i! < 3 ? at(x!, [i!]) : 0)),
    },
  ],
  MatMulIntegerToFloat: [
    {
      inputs: [
        { dims: [B, L], dtype: 'uint8' },
        { dims: [L, M], dtype: 'int8' },
        given(),
        given(M),
        { dims: [], dtype: 'uint8' },
        { dims: [M], dtype: 'int8' },
      ],
      attributes: {},
      expected: ([x, w, alpha, scale, xZero, wZero]) =>
        build([x!.dims[0]!, w!.dims[1]!], ([i, j]) => {
          const sum = total(
            x!.dims[1]!,
            (k) => (at(x!, [i!, k]) - at(xZero!, [])) * (at(w!, [k, j!]) - at(wZero!, [j!])),
          );
          return sum * at(alpha!, []) * at(scale!, [j!]);
        }),
    },
  ],
  Max: [[given(B, L), given(L)]].map((inputs) => ({ inputs, attributes: {}, expected: elementwise(Math.max) })),
  QuantizeLinear: [
    {
      inputs: [given(B, L), given(B), { dims: [B], dtype: 'uint8' }],
      attributes: { axis: 0 },
      expected: ([x, scale, zero]) =>
        build(x!.dims, ([i, j]) => {
          const code = halfToEven(Math.fround(at(x!, [i!, j!]) / at(scale!, [i!]))) + at(zero!, [i!]);
          return Math.min(Math.max(code, 0), 255);
        }),
    },
  ],
  ReduceMax: [0, 1].map((axis) => ({
    inputs: [given(B, L)],
    attributes: { axes: [axis], keepdims: 0 },
    expected: ([x]: readonly NdArray[]) => reduced(x!, axis, Math.max),
  })),
  ReduceMin: [0, 1].map((axis) => ({
    inputs: [given(B, L)],
    attributes: { axes: [axis], keepdims: 0 },
    expected: ([x]: readonly NdArray[]) => reduced(x!, axis, Math.min),
  })),
  StraightThrough: [{ inputs: [given(M), given(B, L)], attributes: { slope: (dy) => dy }, expected: ([, y]) => y! }],
  Sub: [
    [given(B, L), given(B, L)],
    [given(B, L), given(B, 1)],
  ].map((inputs) => ({ inputs, attributes: {}, expected: elementwise((a, b) => a - b) })),
  Mul: [
    [given(B, L), given(B, L)],
    [given(mul(L, B), M), given(mul(L, B), 1)],
    [given(1), given(B, L, M)],
  ].map((inputs) => ({ inputs, attributes: {}, expected: elementwise((a, b) => a * b) })),
  Cast: [
    { inputs: [{ dims: [B, L], dtype: 'int32', below: M }], attributes: { to: 'float32' }, expected: ([x]) => x! },
    {
      inputs: [given(B)],
      attributes: { to: 'int32' },
      expected: ([x]) => build(x!.dims, (i) => Math.trunc(at(x!, i))),
    },
    { inputs: [{ dims: [B], dtype: 'int32', below: M }], attributes: { to: 'int64' }, expected: ([x]) => x! },
  ],
  Erf: [{ inputs: [given(B, L)], attributes: {}, expected: ([x]) => build(x!.dims, (i) => erf(at(x!, i))) }],
  Exp: [{ inputs: [given(B, L)], attributes: {}, expected: ([x]) => build(x!.dims, (i) => Math.exp(at(x!, i))) }],
  Expand: [
    {
      inputs: [given(B, 1)],
      attributes: { to: shape(L, B, M) },
      expected: ([x], s) => build([s.L, s.B, s.M], (i) => broadcastAt(x!, i)),
    },
    {
      inputs: [given()],
      attributes: { to: shape(2, B) },
      expected: ([x], s) => build([2, s.B], (i) => broadcastAt(x!, i)),
    },
  ],
  FusedMatMul: [
    matmulCase([B, L], [L, M], {}),
    matmulCase([B, L, 3], [B, M, 3], { transB: 1, alpha: 0.25 }),
    matmulCase([B, 3, L], [B, 3, M], { transA: 1 }),
    matmulCase([L, B, 2, 3], [M, B, 2, 3], { transBatchA: 1, transBatchB: 1, transB: 1, alpha: -2 }),
    matmulCase([L, B, 2, 3], [M, 1, 2, 3], { transBatchA: 1, transBatchB: 1, transB: 1 }),
    matmulCase([B, 2, L, M], [M, B, 2, 3], { transBatchB: 1 }),
    matmulCase([L, B, 3], [B, M, 3], { transBatchA: 1, transB: 1 }),
    matmulCase([L, B, 3], [B, L, M], { transBatchA: 1, transA: 1 }),
    matmulCase([B, 2, L, 3], [3, M], {}),
  ],
  Gather: [
    {
      inputs: [given(B, L), { dims: [M], dtype: 'int32', below: B }],
      attributes: { axis: 0 },
      expected: ([x, n]) => build([n!.dims[0]!, x!.dims[1]!], ([i, j]) => at(x!, [at(n!, [i!]), j!])),
    },
    {
      inputs: [given(B, L), { dims: [M, 2], dtype: 'int32', below: L }],
      attributes: { axis: 1 },
      expected: ([x, n]) => build([x!.dims[0]!, ...n!.dims], ([i, j, k]) => at(x!, [i!, at(n!, [j!, k!])])),
    },
  ],
  Gelu: [{ inputs: [given(B, L)], attributes: {}, expected: ([x]) => build(x!.dims, (i) => gelu(at(x!, i))) }],
  Gemm: [
    gemmCase([B, L], [L, M], null, {}),
    gemmCase([B, L], [M, L], [M], { transB: 1 }),
    gemmCase([L, B], [L, M], [B, M], { transA: 1, alpha: 0.5 }),
    gemmCase([L, B], [M, L], [1, M], { transA: 1, transB: 1, alpha: -3 }),
    gemmCase([B, L], [L, M], [B, 1], {}),
  ],
  LayerNormalization: [
    {
      inputs: [given(B, L, M), given(M), given(M)],
      attributes: { axis: -1, epsilon: 0.01 },
      expected: ([x, gamma, beta]) =>
        build(x!.dims, (i) => {
          const row = rowOf(x!, i);
          const mean = total(row.length, (k) => row[k]!) / row.length;
          const variance = total(row.length, (k) => (row[k]! - mean) ** 2) / row.length;
          return ((at(x!, i) - mean) / Math.sqrt(variance + 0.01)) * at(gamma!, [i.at(-1)!]) + at(beta!, [i.at(-1)!]);
        }),
    },
  ],
  ReduceSum: [0, 1, 2].flatMap((axis) => [
    {
      inputs: [given(B, L, M)],
      attributes: { axis },
      expected: ([x]: readonly NdArray[]) => summed(x!, axis),
    },
    {
      inputs: [given(B, L, M)],
      attributes: { axis, keepdims: 1 as const },
      expected: ([x]: readonly NdArray[]) => ({ dims: x!.dims.with(axis, 1), data: summed(x!, axis).data }),
    },
  ]),
  Reshape: [
    {
      inputs: [given(mul(L, B), 6)],
      attributes: { to: shape(L, B, 2, 3) },
      expected: ([x], s) => ({ dims: [s.L, s.B, 2, 3], data: x!.data }),
    },
    {
      inputs: [given(B, 6)],
      attributes: { to: shape(mul(2, B), 3) },
      expected: ([x], s) => ({ dims: [2 * s.B, 3], data: x!.data }),
    },
    { inputs: [given(3, 4)], attributes: { to: shape(12) }, expected: ([x]) => ({ dims: [12], data: x!.data }) },
    { inputs: [given(1, 1)], attributes: { to: shape() }, expected: ([x]) => ({ dims: [], data: x!.data }) },
  ],
  Slice: [
    {
      inputs: [given(B, add(L, M))],
      attributes: { axis: 1, start: dim(L), length: dim(M) },
      expected: ([x], s) => build([s.B, s.M], ([i, j]) => at(x!, [i!, s.L + j!])),
    },
    {
      inputs: [given(mul(L, B), 2)],
      attributes: { axis: 0, start: dim(0), length: dim(B) },
      expected: ([x], s) => build([s.B, 2], (i) => at(x!, i)),
    },
    {
      inputs: [given(5, B)],
      attributes: { axis: 0, start: dim(1), length: dim(3) },
      expected: ([x], s) => build([3, s.B], ([i, j]) => at(x!, [i! + 1, j!])),
    },
  ],
  Softmax: [
    {
      inputs: [given(B, M, L)],
      attributes: { axis: -1 },
      expected: ([x]) =>
        build(x!.dims, (i) => Math.exp(at(x!, i)) / total(x!.dims.at(-1)!, (k) => Math.exp(rowOf(x!, i)[k]!))),
    },
  ],
  Transpose: [
    [1, 0, 2],
    [2, 0, 1],
    [0, 2, 1],
    [2, 1, 0],
  ].map((perm) => ({
    inputs: [given(B, L, M)],
    attributes: { perm },
    expected: ([x]: readonly NdArray[]) =>
      build(
        perm.map((axis) => x!.dims[axis]!),
        (i) =>
          at(
            x!,
            i.map((_, axis) => i[perm.indexOf(axis)]!),
          ),
      ),
  })),
};

const random = generator(7);

function draw({ dims, dtype = 'float32', below = M }: Given, sizes: Sizes): NdArray & { dtype: FeedType } {
  const concrete = shape(...dims).map((d) => evaluate(d, sizes));
  const bound = sizes[below as keyof Sizes];
  const range = { int32: [0, bound - 1], uint8: [0, 255], int8: [-63, 63], float32: null } as const;
  const [least, most] = range[dtype] ?? [];
  const data =
    least === undefined
      ? [...floats(random, elements(concrete), 2)]
      : Array.from({ length: elements(concrete) }, () => integer(random, least, most));
  return { dtype, dims: concrete, data };
}

async function check<K extends OpName>(
  t: Test,
  op: K,
  { inputs, attributes, expected }: Case<K>,
  sizes: Sizes,
): Promise<void> {
  const arrays = inputs.map((one) => draw(one, sizes));
  const values = inputs.map(({ dims, dtype = 'float32' }, i) => input(`x${i}`, dtype, dims));
  const made = apply(op, values, attributes);
  const { y } = await runGraph(
    { y: written(made) },
    Object.fromEntries(arrays.map((array, i) => [`x${i}`, array])),
    sizes,
  );
  const wanted = expected(arrays, sizes);
  const name = `${op} ${JSON.stringify(attributes)} of ${arrays.map(({ dims }) => `[${dims.join()}]`).join(' ')}`;
  t.strictSame(
    y!.dims,
    made.shape.map((d) => evaluate(d, sizes)),
    `${name}: the rule's shape`,
  );
  t.strictSame(y!.dims, wanted.dims, `${name}: the expected shape`);
  const scale = Math.max(1, ...wanted.data.map(Math.abs));
  t.ok(difference(y!.data, wanted.data) < 1e-5 * scale, `${name}: the expected values`);
}

/** What is not written as a node of its own is seen through another. */
const written = (y: Value): Value =>
  y.source.kind === 'node' && y.source.node.op === 'StraightThrough' ? multiply(y, constantFloats([1], [])) : y;

t.test('every operator has cases', async (t) => {
  t.strictSame(Object.keys(CASES).sort(), Object.keys(OPERATORS).sort());
});

for (const op of Object.keys(CASES) as OpName[]) {
  t.test(`${op} gives the shapes and values its rule says`, async (t) => {
    for (const one of CASES[op] ?? []) {
      for (let round = 0; round < 3; round++) {
        const size = (): number => (round === 0 ? 1 : integer(random, 2, 5));
        await check(t, op, one as Case<OpName>, { B: size(), L: size(), M: size() });
      }
    }
  });
}

const x = (dtype: DType, ...dims: DimLike[]) => input('x', dtype, dims);
const f = (...dims: DimLike[]) => x('float32', ...dims);

const MISFITS: [string, () => unknown, RegExp][] = [
  ['sizes that do not broadcast', () => apply('Add', [f(2, 3), f(2)], {}), /broadcast: \[2, 3\] does not fit \[2\]/],
  ['symbols that differ', () => apply('Mul', [f('L'), f('B')], {}), /broadcast: \[L\] does not fit \[B\]/],
  ['element types that differ', () => apply('Add', [f(2), x('int32', 2)], {}), /Add: float32 does not fit int32/],
  ['factors of different types', () => apply('Mul', [f(2), x('float16', 2)], {}), /Mul: float32 does not fit float16/],
  [
    'inner sizes that differ',
    () => apply('FusedMatMul', [f('B', 3), f(4, 'M')], {}),
    /FusedMatMul: \[B, 3\] does not fit \[4, M\]/,
  ],
  [
    'inner sizes that differ once transposed',
    () => apply('FusedMatMul', [f(2, 3), f(3, 2)], { transB: 1 }),
    /FusedMatMul/,
  ],
  [
    'batches that differ',
    () => apply('FusedMatMul', [f('B', 2, 3), f('L', 3, 2)], {}),
    /broadcast: \[B\] does not fit \[L\]/,
  ],
  ['a vector as a matrix', () => apply('FusedMatMul', [f(3), f(3, 2)], {}), /FusedMatMul: \[3\] does not fit/],
  [
    'matrices of different types',
    () => apply('FusedMatMul', [f(1, 2), x('float16', 2, 1)], {}),
    /FusedMatMul: float32/,
  ],
  [
    'integer factors of other inner sizes',
    () => apply('MatMulIntegerToFloat', [x('uint8', 'B', 3), x('int8', 4, 2), f(), f(2), x('uint8'), x('int8', 2)], {}),
    /MatMulIntegerToFloat: \[B, 3\] does not fit \[4, 2\]/,
  ],
  [
    'a scale for other columns',
    () => apply('MatMulIntegerToFloat', [x('uint8', 'B', 3), x('int8', 3, 2), f(), f(3), x('uint8'), x('int8', 2)], {}),
    /MatMulIntegerToFloat: \[3, 2\] does not fit \[3\]/,
  ],
  [
    'codes scaled as a whole by rows',
    () =>
      apply('MatMulIntegerToFloat', [x('uint8', 'B', 3), x('int8', 3, 2), f('B'), f(2), x('uint8'), x('int8', 2)], {}),
    /MatMulIntegerToFloat: \[B\] does not fit \[\]/,
  ],
  [
    'scales for other rows',
    () => apply('QuantizeLinear', [f('B', 3), f(3), x('uint8', 'B')], { axis: 0 }),
    /QuantizeLinear: \[B, 3\] does not fit \[3\]/,
  ],
  [
    'the largest along no axis',
    () => apply('ReduceMax', [f(2)], { axes: [1], keepdims: 0 }),
    /ReduceMax: \[2\] has no axis 1/,
  ],
  ['an axis too far', () => apply('Gather', [f(2, 3), x('int32', 1)], { axis: 2 }), /Gather: \[2, 3\] has no axis 2/],
  ['a negative axis', () => apply('Gather', [f(2, 3), x('int32', 1)], { axis: -1 }), /Gather: \[2, 3\] has no axis -1/],
  ['indices with fractions', () => apply('Gather', [f(2, 3), f(1)], { axis: 0 }), /Gather: indices are float32/],
  [
    'a Gemm whose inner sizes differ',
    () => apply('Gemm', [f('B', 3), f(4, 2)], {}),
    /Gemm: \[B, 3\] does not fit \[4, 2\]/,
  ],
  ['a Gemm of three axes', () => apply('Gemm', [f(2, 'B', 3), f(3, 2)], {}), /Gemm: \[2, B, 3\]/],
  [
    'a Gemm whose C is larger',
    () => apply('Gemm', [f(1, 3), f(3, 2), f('B', 2)], {}),
    /Gemm: \[1, 2\] does not fit \[B, 2\]/,
  ],
  ['a Gemm whose C has another type', () => apply('Gemm', [f(1, 3), f(3, 2), x('float16', 2)], {}), /Gemm: float32/],
  [
    'a scale of another width',
    () => apply('LayerNormalization', [f('B', 4), f(3), f(4)], { axis: -1, epsilon: 1 }),
    /LayerNormalization: \[B, 4\] does not fit \[3\]/,
  ],
  [
    'a shift of another width',
    () => apply('LayerNormalization', [f('B', 4), f(4), f(3)], { axis: -1, epsilon: 1 }),
    /LayerNormalization/,
  ],
  [
    'a padded axis that is none',
    () => apply('Pad', [f(2)], { axis: 1, before: dim(0), after: dim(1) }),
    /Pad: \[2\] has no axis 1/,
  ],
  [
    'an expansion to another size',
    () => apply('Expand', [f(2)], { to: shape(3) }),
    /broadcast: \[2\] does not fit \[3\]/,
  ],
  ['an expansion to less', () => apply('Expand', [f(2, 3)], { to: shape(3) }), /Expand: \[2, 3\] does not fit \[3\]/],
  ['a difference of types', () => apply('Sub', [f(2), x('int32', 2)], {}), /Sub: float32 does not fit int32/],
  ['a sum over no axis', () => apply('ReduceSum', [f(2)], { axis: 1 }), /ReduceSum: \[2\] has no axis 1/],
  [
    'another number of elements',
    () => apply('Reshape', [f('B', 6)], { to: shape('B', 5) }),
    /Reshape: \[B, 6\] does not fit \[B, 5\]/,
  ],
  ['another symbol', () => apply('Reshape', [f('B', 6)], { to: shape('L', 6) }), /Reshape/],
  [
    'a slice along no axis',
    () => apply('Slice', [f(4)], { axis: 1, start: dim(0), length: dim(1) }),
    /Slice: \[4\] has no axis 1/,
  ],
  [
    'a slice that ends too far',
    () => apply('Slice', [f(4)], { axis: 0, start: dim(2), length: dim(3) }),
    /Slice: \[4\] does not fit \[2, 3\]/,
  ],
  [
    'a slice that ends one symbol too far',
    () => apply('Slice', [f('L')], { axis: 0, start: dim(1), length: dim('L') }),
    /Slice: \[L\] does not fit \[1, L\]/,
  ],
  ['a slice from before the start', () => apply('Slice', [f(4)], { axis: 0, start: dim(-1), length: dim(1) }), /Slice/],
  [
    'an order that leaves an axis out',
    () => apply('Transpose', [f(2, 3)], { perm: [0] }),
    /Transpose: \[0\] is no order of \[2, 3\]/,
  ],
  ['an order that names an axis twice', () => apply('Transpose', [f(2, 3)], { perm: [1, 1] }), /Transpose: \[1, 1\]/],
  ['an order with an axis too many', () => apply('Transpose', [f(2, 3)], { perm: [0, 1, 2] }), /Transpose/],
];

t.test('what does not fit is refused with both shapes', async (t) => {
  for (const [name, make, message] of MISFITS) t.throws(make, { name: 'TypeError', message }, name);
});

t.test('broadcast is NumPy’s rule', async (t) => {
  t.strictSame(broadcast(shape('B', 1, 3), shape('L', 1)), shape('B', 'L', 3));
  t.strictSame(broadcast(shape(), shape('L')), shape('L'));
});

t.test('a constant of other dimensions is another constant', async (t) => {
  const row = apply('Add', [f(2, 2), constantFloats([1, 2], [1, 2])], {});
  const column = apply('Add', [row, constantFloats([1, 2], [2, 1])], {});
  const { y } = await runGraph({ y: column }, { x: { dtype: 'float32', dims: [2, 2], data: [0, 0, 0, 0] } });
  t.strictSame(y!.data, [2, 3, 3, 4]);
});

t.test('LayerNormalization tells the statistics of each row', async (t) => {
  const { standard, inverseDeviation } = standardised(f('B', 4), 0.5);
  t.ok(sameShape(inverseDeviation.shape, shape('B', 1)));
  const values = { dtype: 'float32' as const, dims: [2, 4], data: [1, 2, 3, 6, -1, -1, -1, -1] };
  const feeds = { x: values };
  const { y } = await runGraph({ y: multiply(standard, inverseDeviation) }, feeds, { B: 2 });
  const rows = build([2, 4], (i) => {
    const [mean, variance] = i[0] === 0 ? [3, 3.5] : [-1, 0];
    return (at(values, i) - mean) / (variance + 0.5);
  });
  t.ok(difference(y!.data, rows.data) < 1e-5);
});
