import t from 'tap';
import { productOperations } from '../../bench/support/operations.js';
import { add, floats, gemm, input, matmul, multiply } from '../../src/graph/build.js';

const a = input('a', 'float32', ['M', 3]);
const w = floats(
  Array.from({ length: 12 }, () => 1),
  [4, 3],
);

t.test('operations of the matrix products of a graph', async (t) => {
  const y = gemm(a, w, null, { transB: 1 });
  t.equal(productOperations({ y }, { M: 5 }), 2 * 5 * 4 * 3, 'two for each multiplication and addition');
  t.equal(
    productOperations({ y: add(y, multiply(y, y)) }, { M: 5 }),
    120,
    'each product once, and nothing between them',
  );
  const square = gemm(y, y, null, { transA: 1 });
  t.equal(productOperations({ square }, { M: 5 }), 120 + 2 * 4 * 4 * 5);
  const constant = gemm(w, w, null, { transB: 1 });
  t.equal(productOperations({ z: gemm(y, constant, null) }, { M: 5 }), 120 + 2 * 5 * 4 * 4, 'what is constant is not');
});

t.test('of products of batches, however they are stored', async (t) => {
  const x = input('x', 'float32', ['L', 'B', 7]);
  const operations = (transA: 0 | 1, y = x): number =>
    productOperations(
      { y: matmul(x, y, { transBatchA: 1, transBatchB: 1, transA, transB: transA === 1 ? 0 : 1 }) },
      SIZES,
    );
  const SIZES = { L: 5, B: 2 };
  t.equal(operations(0), 2 * 2 * 5 * 5 * 7, 'rows by rows');
  t.equal(operations(1), 2 * 2 * 7 * 7 * 5, 'columns by columns');
  const plain = input('p', 'float32', ['B', 5, 7]);
  t.equal(productOperations({ y: matmul(plain, plain, { transA: 1 }) }, SIZES), 2 * 2 * 7 * 7 * 5);
});
