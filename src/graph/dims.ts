/**
 * Dimensions of tensors as polynomials with integer coefficients over symbols (`L` tokens, `B` rows, …), so that shape
 * rules hold for every size at once and the shape tensors of Reshape and Slice are evaluated on the host.
 */

/** Canonical: a map from a monomial ("B*L", "" for the constant) to its non-zero coefficient. */
export interface Dim {
  readonly terms: ReadonlyMap<string, number>;
}

export type Shape = readonly Dim[];
export type DimLike = Dim | number | string;
export type Bindings = Readonly<Record<string, number>>;

/** A number, a symbol or a Dim as a Dim. */
export function dim(value: DimLike): Dim {
  if (typeof value === 'number') return fromTerms([['', value]]);
  if (typeof value === 'string') return fromTerms([[value, 1]]);
  return value;
}

export const shape = (...dims: DimLike[]): Shape => dims.map(dim);

export function add(...dims: DimLike[]): Dim {
  return fromTerms(dims.flatMap((d) => [...dim(d).terms]));
}

export function mul(...dims: DimLike[]): Dim {
  return dims
    .map(dim)
    .reduce((a, b) => fromTerms([...a.terms].flatMap(([m, x]) => [...b.terms].map(([n, y]) => [join(m, n), x * y]))));
}

export const sub = (a: DimLike, b: DimLike): Dim => add(a, mul(-1, b));

export const size = (dims: Shape): Dim => mul(1, ...dims);

export const text = (d: Dim): string =>
  [...d.terms].map(([m, x]) => (m === '' ? `${x}` : x === 1 ? m : `${x}*${m}`)).join('+') || '0';

export const equal = (a: DimLike, b: DimLike): boolean => text(dim(a)) === text(dim(b));

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => equal(d, b[i]!));

export const shapeText = (dims: Shape): string => `[${dims.map(text).join(', ')}]`;

/** The number a Dim is, or undefined while it has symbols. */
export function constant(d: Dim): number | undefined {
  if (d.terms.size === 0) return 0;
  return d.terms.size === 1 ? d.terms.get('') : undefined;
}

/** Its value under `bindings`; throws a TypeError that names an unbound symbol. */
export function evaluate(d: Dim, bindings: Bindings): number {
  let sum = 0;
  for (const [monomial, coefficient] of d.terms) sum += coefficient * product(monomial, bindings);
  return sum;
}

function product(monomial: string, bindings: Bindings): number {
  if (monomial === '') return 1;
  return monomial.split('*').reduce((value, symbol) => {
    const bound = bindings[symbol];
    if (bound === undefined) throw new TypeError(`dimension symbol ${symbol} is not bound`);
    return value * bound;
  }, 1);
}

const join = (a: string, b: string): string => [a, b].filter(Boolean).join('*').split('*').sort().join('*');

function fromTerms(terms: Iterable<readonly [string, number]>): Dim {
  const sums = new Map<string, number>();
  for (const [monomial, coefficient] of terms) sums.set(monomial, (sums.get(monomial) ?? 0) + coefficient);
  const kept = [...sums].filter(([, x]) => x !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.freeze({ terms: new Map(kept) });
}
