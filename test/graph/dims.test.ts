import fc from 'fast-check';
import t from 'tap';
import {
  type Dim,
  add,
  constant,
  dim,
  equal,
  evaluate,
  mul,
  sameShape,
  shape,
  shapeText,
  size,
  sub,
  text,
} from '../../src/graph/dims.js';

const SYMBOLS = ['B', 'L', 'N'] as const;
const bindings = fc.record({ B: fc.nat(9), L: fc.nat(9), N: fc.nat(9) });

/** A polynomial and the same computed on numbers. */
interface Both {
  readonly dim: Dim;
  readonly on: (at: Readonly<Record<string, number>>) => number;
}

const leaf: fc.Arbitrary<Both> = fc.oneof(
  fc.integer({ min: -5, max: 5 }).map((n) => ({ dim: dim(n), on: () => n })),
  fc.constantFrom(...SYMBOLS).map((s) => ({ dim: dim(s), on: (at: Readonly<Record<string, number>>) => at[s]! })),
);
const both = (depth: number): fc.Arbitrary<Both> =>
  depth === 0
    ? leaf
    : fc.tuple(both(depth - 1), both(depth - 1), fc.constantFrom('add', 'sub', 'mul')).map(([a, b, op]) => {
        if (op === 'add') return { dim: add(a.dim, b.dim), on: (at) => a.on(at) + b.on(at) };
        if (op === 'sub') return { dim: sub(a.dim, b.dim), on: (at) => a.on(at) - b.on(at) };
        return { dim: mul(a.dim, b.dim), on: (at) => a.on(at) * b.on(at) };
      });

t.test('a polynomial has the value of the numbers it stands for', async () => {
  fc.assert(fc.property(both(3), bindings, (p, at) => evaluate(p.dim, at) === p.on(at) + 0));
});

t.test('the laws of rings hold, and equality sees them', async () => {
  const [a, b, c] = [both(2), both(2), both(1)];
  fc.assert(
    fc.property(a, b, c, ({ dim: x }, { dim: y }, { dim: z }) => {
      return (
        equal(add(x, y), add(y, x)) &&
        equal(mul(x, y), mul(y, x)) &&
        equal(mul(x, add(y, z)), add(mul(x, y), mul(x, z))) &&
        equal(mul(x, mul(y, z)), mul(mul(x, y), z)) &&
        equal(sub(x, x), 0) &&
        equal(add(sub(x, y), y), x)
      );
    }),
  );
});

t.test('polynomials that differ somewhere are not equal', async () => {
  fc.assert(fc.property(both(2), both(2), bindings, (p, q, at) => p.on(at) === q.on(at) || !equal(p.dim, q.dim)));
});

const TEXTS: [Dim, string, number | undefined][] = [
  [dim(0), '0', 0],
  [dim(7), '7', 7],
  [dim('L'), 'L', undefined],
  [add('L', -1), '-1+L', undefined],
  [mul(2, 'L', 'B'), '2*B*L', undefined],
  [sub('L', 'L'), '0', 0],
  [add(mul(2, 'L'), 3, mul('L', 'L')), '3+2*L+L*L', undefined],
];

t.test('a dimension is shown in its canonical order, and known to be constant', async (t) => {
  for (const [d, shown, known] of TEXTS) {
    t.equal(text(d), shown);
    t.equal(constant(d), known, `${shown} as a constant`);
  }
  t.equal(shapeText(shape('B', 2, mul('L', 'B'))), '[B, 2, B*L]');
});

t.test('shapes are compared by rank and dimension', async (t) => {
  t.ok(sameShape(shape('B', mul('L', 2)), shape('B', add('L', 'L'))));
  t.notOk(sameShape(shape('B'), shape('B', 1)));
  t.notOk(sameShape(shape('B', 'L'), shape('L', 'B')));
  t.ok(equal(size(shape('B', 3, 'L')), mul(3, 'L', 'B')));
  t.ok(equal(size([]), 1));
});

t.test('an unbound symbol is named', async (t) => {
  t.throws(() => evaluate(mul('L', 'B'), { L: 1 }), { name: 'TypeError', message: /symbol B is not bound/ });
});
