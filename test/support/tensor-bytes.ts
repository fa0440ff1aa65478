/** Safetensors files written by hand: any header, any element type, right or wrong. */

/** A file of the given header (an object, or the very text) and data; `length` is what it says of its header. */
export function tensorBytes(header: object | string | Uint8Array, data: Uint8Array, length?: bigint): Uint8Array {
  const text =
    header instanceof Uint8Array ? header : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return new Uint8Array(Buffer.concat([prefix, text, data]));
}

export interface TestTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export type Tensors = ReadonlyMap<string, TestTensor>;
export type ElementType = 'F32' | 'F16' | 'BF16';

/** A valid file of `tensors`, all of one type. */
export function encode(tensors: Tensors, type: ElementType): Uint8Array {
  let end = 0;
  const parts = [...tensors].map(([name, { shape, data }]) => ({ name, shape, bytes: elements(data, type) }));
  const entries = parts.map(({ name, shape, bytes }) => [
    name,
    { dtype: type, shape, data_offsets: [end, (end += bytes.length)] },
  ]);
  return tensorBytes(Object.fromEntries(entries), Buffer.concat(parts.map(({ bytes }) => bytes)));
}

function elements(data: Float32Array, type: ElementType): Uint8Array {
  if (type === 'F32') return new Uint8Array(data.slice().buffer);
  return new Uint8Array(Uint16Array.from(data, type === 'F16' ? halfBits : bfloatBits).buffer);
}

/** What is left of `x` after a round trip through `type`. */
export const rounded = (x: number, type: ElementType): number =>
  type === 'F32' ? x : type === 'F16' ? halfValue(halfBits(x)) : bfloatValue(bfloatBits(x));

/** Nearest binary16, ties to even; |x| must be below 65520. */
export function halfBits(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -24)));
  const steps = roundEven(size / 2 ** (exponent - 10)); // below 1024 only where the number is subnormal
  return sign | (steps < 1024 ? steps : ((exponent + 14) << 10) + steps);
}

export function halfValue(bits: number): number {
  const exponent = (bits & 0x7c00) >> 10;
  const size = exponent === 0 ? (bits & 0x3ff) * 2 ** -24 : (1024 + (bits & 0x3ff)) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}

function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

const words = new DataView(new ArrayBuffer(4));

/** The upper half of a binary32, rounded to nearest, ties to even. */
export function bfloatBits(x: number): number {
  words.setFloat32(0, x);
  const bits = words.getUint32(0);
  return Math.floor((bits + 0x7fff + ((bits >>> 16) & 1)) / 0x10000);
}

export function bfloatValue(bits: number): number {
  words.setUint32(0, bits * 0x10000);
  return words.getFloat32(0);
}
