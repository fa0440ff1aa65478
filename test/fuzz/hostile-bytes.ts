/** Changes of a file that know nothing of what is in it, but where its header and its numbers are. */
import fc, { type Arbitrary } from 'fast-check';

export type Change = (bytes: Buffer) => Buffer;

/** What an earlier change has broken cannot be read, or is nested too deeply to be walked: it stays as it is. */
export function unlessBroken(body: Buffer, change: () => Buffer): Buffer {
  try {
    return change();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError || error instanceof TypeError) return body;
    throw error;
  }
}

/** Half of the places are in the first 4 KiB, where the header is. */
function places(): Arbitrary<(body: Buffer) => number> {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  return fc.tuple(share, fc.boolean()).map(([at, front]) => ({ length }) => {
    return Math.floor(at * (front ? Math.min(4096, length) : length));
  });
}

/** Bits turned; bytes cut, added, written over, doubled; numbers that are none. */
export function bytes(): Arbitrary<Change> {
  const piece = fc.uint8Array({ minLength: 1, maxLength: 9 });
  const flipped = fc.tuple(places(), fc.nat(7)).map(([place, bit]) => (body: Buffer) => {
    const copy = Buffer.from(body);
    if (copy.length > 0) copy[Math.min(place(copy), copy.length - 1)]! ^= 1 << bit;
    return copy;
  });
  const cut = places().map((place) => (body: Buffer) => body.subarray(0, place(body)));
  const added = fc.tuple(places(), piece).map(([place, more]) => (body: Buffer) => {
    return Buffer.concat([body.subarray(0, place(body)), more, body.subarray(place(body))]);
  });
  const over = fc.tuple(places(), piece).map(([place, put]) => (body: Buffer) => {
    const copy = Buffer.from(body);
    copy.set(put.subarray(0, Math.max(0, copy.length - place(copy))), place(copy));
    return copy;
  });
  const gone = fc.tuple(places(), fc.integer({ min: 1, max: 64 })).map(([place, count]) => (body: Buffer) => {
    return Buffer.concat([body.subarray(0, place(body)), body.subarray(place(body) + count)]);
  });
  const twice = fc.constant((body: Buffer) => Buffer.concat([body, body]));
  // 00 00 C0 7F, 00 00 80 7F: not a number, infinity; FF FF 7F 7F: the largest.
  const floats = [
    [0, 0, 0xc0, 0x7f],
    [0, 0, 0x80, 0x7f],
    [0xff, 0xff, 0x7f, 0x7f],
    [1, 0, 0, 0x80],
  ] as const;
  const float = fc.tuple(fc.nat(1000), fc.constantFrom(...floats)).map(([from, value]) => (body: Buffer) => {
    const copy = Buffer.from(body);
    const at = copy.length - 4 * (from + 1);
    if (at >= 0) copy.set(value, at);
    return copy;
  });
  return fc.oneof({ weight: 3, arbitrary: flipped }, cut, added, over, gone, twice, float);
}
