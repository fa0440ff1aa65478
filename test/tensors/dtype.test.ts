import t from 'tap';
import { toFloat32 } from '../../src/tensors/dtype.js';
import { bfloatBits, bfloatValue, halfBits, halfValue } from '../support/tensor-bytes.js';

const bytesOf = (...halves: number[]): Uint8Array => new Uint8Array(Uint16Array.from(halves).buffer);

// Bit patterns of IEEE 754 binary16 and of bfloat16, from their definitions.
const HALVES: [number, number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x0001, 2 ** -24],
  [0x03ff, 1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x3c00, 1],
  [0x3c01, 1 + 2 ** -10],
  [0xc000, -2],
  [0x7bff, 65504],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
  [0x7e00, Number.NaN],
];
const BFLOATS: [number, number][] = [
  [0x0000, 0],
  [0x8000, -0],
  [0x3f80, 1],
  [0xbfc0, -1.5],
  [0x0001, 2 ** -133],
  [0x7f7f, 255 * 2 ** 120],
  [0xff80, Number.NEGATIVE_INFINITY],
  [0x7fc0, Number.NaN],
];

t.test('each bit pattern has its value', async (t) => {
  for (const [bits, value] of HALVES) t.ok(Object.is(toFloat32(bytesOf(bits), 'F16')[0], value), `F16 ${value}`);
  for (const [bits, value] of BFLOATS) t.ok(Object.is(toFloat32(bytesOf(bits), 'BF16')[0], value), `BF16 ${value}`);
});

t.test('every finite half keeps its bits through a conversion there and back', async (t) => {
  const all = Array.from({ length: 0x10000 }, (_, bits) => bits);
  const halves = all.filter((bits) => (bits & 0x7c00) !== 0x7c00);
  const bfloats = all.filter((bits) => (bits & 0x7f80) !== 0x7f80);
  t.strictSame([...toFloat32(bytesOf(...halves), 'F16')].map(halfBits), halves);
  t.strictSame([...toFloat32(bytesOf(...bfloats), 'BF16')].map(bfloatBits), bfloats);
  t.strictSame(halves.map(halfValue), [...toFloat32(bytesOf(...halves), 'F16')]);
  t.strictSame(bfloats.map(bfloatValue), [...toFloat32(bytesOf(...bfloats), 'BF16')]);
});

t.test('float32 is read from any byte offset and is a copy', async (t) => {
  const file = new Uint8Array(9);
  new DataView(file.buffer).setFloat32(1, -0.75, true);
  const read = toFloat32(file.subarray(1, 5), 'F32');
  file.fill(0);
  t.strictSame([...read], [-0.75]);
});
