/** PEFT directories that somebody has changed: bytes, header, configuration. */
import fc, { type Arbitrary } from 'fast-check';
import type { AdapterFiles } from '../../adapters/format.js';
import { tensorBytes } from '../support/tensor-bytes.js';
import { spoiledJson } from './hostile-json.js';
import { ODD_KEYS, ODD_VALUES } from './odd.js';
import { Raw, write } from './raw-json.js';

type Change = (bytes: Buffer) => Buffer;

/** One of `files` with one to three changes in its weights, its configuration, or both. */
export function hostileAdapters(files: readonly AdapterFiles[]): Arbitrary<AdapterFiles> {
  const configs = fc.array(fc.oneof(spoiledConfig(), bytes()), { minLength: 1, maxLength: 2 });
  const weights = fc.array(fc.oneof(bytes(), lengths(), { weight: 3, arbitrary: headers() }), {
    minLength: 1,
    maxLength: 3,
  });
  const changes = fc.oneof(
    { weight: 4, arbitrary: weights.map((all) => ({ config: [], weights: all })) },
    { weight: 3, arbitrary: configs.map((all) => ({ config: all, weights: [] })) },
    { weight: 1, arbitrary: fc.record({ config: configs, weights }) },
  );
  return fc.tuple(fc.constantFrom(...files), changes).map(([valid, change]) => ({
    config: changed(valid.config, change.config),
    weights: changed(valid.weights, change.weights),
  }));
}

const changed = (bytesBefore: Uint8Array, changes: readonly Change[]): Uint8Array =>
  changes.reduce<Buffer>((before, change) => change(before), Buffer.from(bytesBefore));

/** Half of the places are in the first 4 KiB, where the header is. */
function places(): Arbitrary<(body: Buffer) => number> {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  return fc.tuple(share, fc.boolean()).map(([at, front]) => ({ length }) => {
    return Math.floor(at * (front ? Math.min(4096, length) : length));
  });
}

function bytes(): Arbitrary<Change> {
  const piece = fc.uint8Array({ minLength: 1, maxLength: 9 });
  const flipped = fc.tuple(places(), fc.nat(7)).map(([place, bit]) => (body: Buffer) => {
    const copy = Buffer.from(body);
    if (copy.length > 0) copy[Math.min(place(copy), copy.length - 1)]! ^= 1 << bit;
    return copy;
  });
  const cut = places().map((place) => (body: Buffer) => body.subarray(0, place(body)));
  const put = fc.tuple(places(), piece).map(([place, added]) => (body: Buffer) => {
    return Buffer.concat([body.subarray(0, place(body)), added, body.subarray(place(body))]);
  });
  const over = fc.tuple(places(), piece).map(([place, written]) => (body: Buffer) => {
    const copy = Buffer.from(body);
    copy.set(written.subarray(0, Math.max(0, copy.length - place(copy))), place(copy));
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
  return fc.oneof({ weight: 3, arbitrary: flipped }, cut, put, over, gone, twice, float);
}

/** What the first eight bytes say of the header's length. */
function lengths(): Arbitrary<Change> {
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
function headers(): Arbitrary<Change> {
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

/** What an earlier change has broken cannot be read, or is nested too deeply to be walked: it stays as it is. */
function unlessBroken(body: Buffer, change: () => Buffer): Buffer {
  try {
    return change();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError || error instanceof TypeError) return body;
    throw error;
  }
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

/** One tensor of the header, its place and another's. */
type EntryChange = (entry: Entry, name: string, others: readonly (readonly [string, Entry])[]) => unknown;

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
    fc.constant<EntryChange>((entry, _, [[, other] = [, entry]]) => ({ ...entry, data_offsets: other?.data_offsets })),
    fc.constant<EntryChange>((entry, _, [[, other] = [, entry]]) => other),
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
    return written(header, which, (name, entry, others) => [[name, changing(entry, name, others)]]);
  });
  const name = fc.tuple(fc.nat(1000), renamed, fc.boolean()).map(([which, odd, both]) => (header: Header) => {
    return written(header, which, (before, entry) =>
      both
        ? [
            [before, entry],
            [odd, entry],
          ]
        : [[odd, entry]],
    );
  });
  const twice = fc.nat(1000).map((which) => (header: Header) => {
    return written(header, which, (before, entry) => [
      [before, entry],
      [before, entry],
    ]);
  });
  const gone = fc.nat(1000).map((which) => (header: Header) => written(header, which, () => []));
  return fc.oneof({ weight: 6, arbitrary: one }, name, twice, gone);
}

const moved = (entry: Entry, by: number): Entry => {
  const [begin, end] = entry.data_offsets;
  return { ...entry, data_offsets: [begin + by, end + by] };
};

type Members = readonly (readonly [string, unknown])[];

/** The header's text with one of its members put otherwise; a name may stand twice. */
function written(
  header: Header,
  which: number,
  put: (name: string, entry: Entry, others: readonly (readonly [string, Entry])[]) => Members,
): string {
  const all = Object.entries(header) as [string, Entry][];
  const at = which % Math.max(1, all.length);
  const members: Members = all.flatMap(([name, entry], i): Members =>
    i === at && isEntry(entry) ? put(name, entry, all.slice(at + 1)) : [[name, entry]],
  );
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${write(value)}`).join(',')}}`;
}

const isEntry = (value: unknown): value is Entry =>
  typeof value === 'object' &&
  value !== null &&
  'data_offsets' in value &&
  Array.isArray(value.data_offsets) &&
  'shape' in value &&
  Array.isArray(value.shape);

const CONFIG_VALUES: readonly unknown[] = [
  ...ODD_VALUES,
  ['.*'],
  '(a+)+$',
  '((((((((((a*)*)*)*)*)*)*)*)*)*$',
  'all-linear',
  ['query_proj', 'query_proj'],
  { query_proj: 3 },
  { 'layer.0.attention.self.query_proj': 64 },
  { '.*': 2 },
  { 'a+': 2 },
  65,
  1024,
  1e-300,
  1e300,
  new Raw('1e308'),
  new Raw(`{${Array.from({ length: 2000 }, (_, i) => `"m${i}":${i % 9}`).join(',')}}`),
  Array.from({ length: 5000 }, (_, i) => `layer${i}`),
];

const CONFIG_KEYS = [
  'r',
  'lora_alpha',
  'lora_dropout',
  'use_rslora',
  'use_dora',
  'rank_pattern',
  'alpha_pattern',
  'target_modules',
  'exclude_modules',
  'layers_to_transform',
  'layers_pattern',
  'modules_to_save',
  'init_lora_weights',
  'bias',
  'peft_type',
  'task_type',
  'base_model_name_or_path',
  'revision',
  'fan_in_fan_out',
  'target_parameters',
  'megatron_config',
];

/** Of a configuration: one key with another value, or anything anywhere. */
function spoiledConfig(): Arbitrary<Change> {
  const member = fc.tuple(fc.constantFrom(...CONFIG_KEYS), fc.constantFrom(...CONFIG_VALUES), fc.boolean());
  const set = member.map(([key, value, twice]) => (config: unknown) => {
    const members = Object.entries(config as object).filter(([name]) => twice || name !== key);
    return new Raw(
      `{${[...members, [key, value] as const].map(([name, one]) => `${JSON.stringify(name)}:${write(one)}`).join(',')}}`,
    );
  });
  return fc.oneof({ weight: 3, arbitrary: set }, spoiledJson()).map((spoil) => (body: Buffer) => {
    return unlessBroken(body, () => Buffer.from(write(spoil(JSON.parse(body.toString())))));
  });
}
