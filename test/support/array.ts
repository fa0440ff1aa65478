/** Arrays of any rank by plain index loops: slow, and easy to believe. */

export interface NdArray {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

export const elements = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** The array whose element at each index is `value(index)`. */
export function build(dims: readonly number[], value: (index: readonly number[]) => number): NdArray {
  return { dims, data: Array.from({ length: elements(dims) }, (_, flat) => value(indexOf(flat, dims))) };
}

function indexOf(flat: number, dims: readonly number[]): number[] {
  let rest = flat;
  return dims
    .toReversed()
    .map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    })
    .toReversed();
}

export const at = ({ dims, data }: NdArray, index: readonly number[]): number =>
  data[index.reduce((flat, i, axis) => flat * dims[axis]! + i, 0)]!;

/** The element at `index` of the result that NumPy would broadcast `x` to. */
export const broadcastAt = (x: NdArray, index: readonly number[]): number =>
  at(
    x,
    index.slice(index.length - x.dims.length).map((i, axis) => (x.dims[axis] === 1 ? 0 : i)),
  );

/** NumPy's broadcast of two shapes that fit. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const size = (s: readonly number[], i: number): number => s[i - rank + s.length] ?? 1;
  return Array.from({ length: rank }, (_, i) => (size(a, i) === 1 ? size(b, i) : size(a, i)));
}

export const total = (length: number, term: (k: number) => number): number => {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += term(k);
  return sum;
};

/** The error function by its series 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms are all of one sign. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));

/** Largest absolute difference; infinite where the lengths differ, NaN where one has NaN. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return Math.max(0, ...Array.from(a, (x, i) => Math.abs(x - b[i]!)));
}
