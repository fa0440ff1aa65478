/** Changes of the header of a safetensors file. */
import fc, { type Arbitrary } from 'fast-check';
import { tensorBytes } from '../support/tensor-bytes.js';
import { type Change, unlessBroken } from './hostile-bytes.js';
import { spoiledJson } from './hostile-json.js';
import { ODD_KEYS, ODD_VALUES } from './odd.js';
import { Raw, write } from './raw-json.js';

/** What the first eight bytes say of the header's length. */
export function lengths(): Arbitrary<Change> {
  const near = fc.integer({ min: -9, max: 9 }).map((by) => (length: bigint) => length + BigInt(by));
  const far = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((length) => () => length);
  const odd = fc
    .constantFrom(0n, 1n, 2n, 8n, 2n ** 20n, 2n ** 20n + 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n)
    .map((length) => () => length);
  return fc.oneof(near, far, odd).map((said) => (body: Buffer) => {
    const copy = Buffer.from(body);
    if (copy.length >= 8) copy.writeBigUInt64LE(BigInt.asUintN(64, said(copy.readBigUInt64LE())));
    return copy;
  });
}

type Header = Readonly<Record<string, unknown>>;

/** The header read, changed and written again with its right length; the data stay. What cannot be read stays as it is. */
export function headers(): Arbitrary<Change> {
  const wild = spoiledJson().map((spoil) => (header: Header) => write(spoil(header)));
  const padded = fc
    .constantFrom(' ', '\0', '\n'.repeat(9), ' '.repeat(2 ** 20), '{}', ',')
    .map((padding) => (header: Header) => write(header) + padding);
  return fc.oneof({ weight: 4, arbitrary: entries() }, wild, padded).map((change) => (body: Buffer) => {
    return unlessBroken(body, () => {
      const end = 8 + Number(body.readBigUInt64LE());
      const header = JSON.parse(body.subarray(8, end).toString()) as Header;
      return Buffer.from(tensorBytes(change(header), body.subarray(end)));
    });
  });
}

const SHAPES: readonly unknown[] = [
  [],
  [0],
  [-1, 8],
  [1.5],
  ['8', 8],
  [[8], 8],
  [2 ** 32, 2 ** 32],
  [2 ** 53, 1],
  [1e300, 1e300],
  [0, 1e300],
  new Raw('[1e999]'),
  new Raw('[123456789012345678901234567890, 0]'),
  Array.from({ length: 50_000 }, () => 1),
  null,
  'F32',
];

const DTYPES: readonly unknown[] = [
  'F16',
  'BF16',
  'F64',
  'I64',
  'BOOL',
  'F8_E4M3',
  'f32',
  '',
  '__proto__',
  'toString',
  32,
  null,
  ['F32'],
];

const OFFSETS: readonly unknown[] = [
  [0, 0],
  [0, 4],
  [4, 0],
  [-4, 0],
  [0.5, 4.5],
  [0, 2 ** 53],
  [2 ** 53, 2 ** 53 + 4],
  new Raw('[0, 9007199254740993]'),
  new Raw('[18446744073709551612, 0]'),
  [0],
  [0, 4, 8],
  ['0', '4'],
  {},
];

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Of one tensor of the header; `other` comes after it, or is the same. */
type EntryChange = (entry: Entry, other: Entry) => unknown;

/** What is changed is one entry, or the text of the whole header. */
function entries(): Arbitrary<(header: Header) => string> {
  const renamed = fc.constantFrom(...ODD_KEYS, '__metadata__', 'base_model.model.classifier.weight');
  const change = fc.oneof(
    fc.constantFrom(...SHAPES).map((shape): EntryChange => (entry) => ({ ...entry, shape })),
    fc.constantFrom(...DTYPES).map((dtype): EntryChange => (entry) => ({ ...entry, dtype })),
    fc.constantFrom(...OFFSETS).map((data_offsets): EntryChange => (entry) => ({ ...entry, data_offsets })),
    fc.integer({ min: -8, max: 8 }).map(
      (by): EntryChange =>
        (entry) =>
          moved(entry, by),
    ),
    fc.constant<EntryChange>((entry) => ({ ...entry, shape: entry.shape.toReversed() })),
    fc.constant<EntryChange>((entry, { data_offsets }) => ({ ...entry, data_offsets })),
    fc.constant<EntryChange>((_entry, other) => other),
    fc.constantFrom(...ODD_VALUES).map(
      (value): EntryChange =>
        () =>
          value,
    ),
    fc
      .tuple(fc.constantFrom(...ODD_KEYS), fc.constantFrom(...ODD_VALUES))
      .map(([key, value]): EntryChange => (entry) => {
        return new Raw(`{${JSON.stringify(key)}:${write(value)},${write(entry).slice(1)}`);
      }),
  );
  const one = fc.tuple(fc.nat(1000), change).map(([which, changing]) => (header: Header) => {
    return rewritten(header, which, (name, entry, other) => [[name, changing(entry, other)]]);
  });
  const name = fc.tuple(fc.nat(1000), renamed, fc.boolean()).map(([which, odd, both]) => (header: Header) => {
    return rewritten(header, which, (before, entry) =>
      both
        ? [
            [before, entry],
            [odd, entry],
          ]
        : [[odd, entry]],
    );
  });
  const twice = fc.nat(1000).map((which) => (header: Header) => {
    return rewritten(header, which, (before, entry) => [
      [before, entry],
      [before, entry],
    ]);
  });
  const gone = fc.nat(1000).map((which) => (header: Header) => rewritten(header, which, () => []));
  return fc.oneof({ weight: 6, arbitrary: one }, name, twice, gone);
}

const moved = (entry: Entry, by: number): Entry => {
  const [begin, end] = entry.data_offsets;
  return { ...entry, data_offsets: [begin + by, end + by] };
};

type Members = readonly (readonly [string, unknown])[];

/** The header's text with one of its members put otherwise; a name may stand twice. */
function rewritten(header: Header, which: number, put: (name: string, entry: Entry, other: Entry) => Members): string {
  const all = Object.entries(header);
  const at = which % Math.max(1, all.length);
  const next = all[at + 1]?.[1];
  const members: Members = all.flatMap(([name, entry], i): Members => {
    if (i !== at || !isEntry(entry)) return [[name, entry]];
    return put(name, entry, isEntry(next) ? next : entry);
  });
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${write(value)}`).join(',')}}`;
}

const isEntry = (value: unknown): value is Entry =>
  typeof value === 'object' &&
  value !== null &&
  'data_offsets' in value &&
  Array.isArray(value.data_offsets) &&
  'shape' in value &&
  Array.isArray(value.shape);
