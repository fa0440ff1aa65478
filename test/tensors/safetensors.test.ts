import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import {
  ADAPTER_LIMITS,
  CHECKPOINT_LIMITS,
  SafetensorsError,
  parseTensorFile,
  readTensorFile,
  writeTensors,
} from '../../src/tensors/safetensors.js';
import { generator, mutated } from '../support/random.js';
import { tensorBytes } from '../support/tensor-bytes.js';

const FOUR = new Uint8Array(4);
const one = (entry: object): object => ({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...entry } });
const two = (a: readonly number[], b: readonly number[]): object => ({
  a: { dtype: 'F32', shape: [1], data_offsets: a },
  b: { dtype: 'F32', shape: [1], data_offsets: b },
});
const text = (header: string): Uint8Array => tensorBytes(header, FOUR);
const ENTRY = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';

const REFUSED: [string, Uint8Array, RegExp][] = [
  ['an empty file', new Uint8Array(0), /shorter than its 8-byte/],
  ['seven bytes', new Uint8Array(7), /shorter than its 8-byte/],
  ['a header of no bytes', tensorBytes('', new Uint8Array(0)), /does not start with '\{'/],
  ['a header longer than the file', tensorBytes(one({}), FOUR, 1000n), /longer than the file/],
  ['a header above the limit', tensorBytes(one({}), FOUR, 1024n * 1024n + 1n), /1048577 bytes; at most 1048576/],
  ['a header length of 2^53 + 1', tensorBytes(one({}), FOUR, 2n ** 53n + 1n), /9007199254740993 bytes/],
  ['a header length of 2^64 - 1', tensorBytes(one({}), FOUR, 2n ** 64n - 1n), /at most/],
  ['a leading space', text(` {"a":${ENTRY}}`), /does not start with '\{'/],
  ['an array', text(`[${ENTRY}]`), /does not start with '\{'/],
  ['no JSON', text('{"a":'), /does not parse/],
  ['two objects', text(`{"a":${ENTRY}}{}`), /does not parse/],
  ['NaN', text('{"a":NaN}'), /does not parse/],
  ['bytes that are not UTF-8', tensorBytes(Buffer.from('{"\xff":1}', 'latin1'), FOUR), /not UTF-8/],
  ['a name twice', text(`{"a":${ENTRY},"a":${ENTRY}}`), /key "a" stands twice/],
  ['a name twice, once escaped', text(`{"a":${ENTRY},"\\u0061":${ENTRY}}`), /key "a" stands twice/],
  [
    'a name twice, its colon far away',
    text(`{"a"${' '.repeat(200)}:${ENTRY},"a"${'\n'.repeat(200)}:${ENTRY}}`),
    /twice/,
  ],
  [
    'a key of an entry twice',
    text('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    /"dtype" stands/,
  ],
  ['deep nesting', text(`{"a":${'['.repeat(300_000)}${']'.repeat(300_000)}}`), /nested deeper than 64/],
  ['an entry that is a number', tensorBytes({ a: 4 }, FOUR), /tensor "a": is not an object/],
  ['an entry that is null', tensorBytes({ a: null }, FOUR), /tensor "a": is not an object/],
  ['an unknown key', tensorBytes(one({ strides: [1] }), FOUR), /unknown key "strides"/],
  ['an unknown dtype', tensorBytes(one({ dtype: 'F64' }), FOUR), /dtype "F64" is not one of F32, F16, BF16/],
  ['a dtype named like a member of objects', tensorBytes(one({ dtype: 'constructor' }), FOUR), /dtype "constructor"/],
  ['no dtype', tensorBytes(one({ dtype: undefined }), FOUR), /dtype missing/],
  ['a shape that is a number', tensorBytes(one({ shape: 1 }), FOUR), /shape is not a list/],
  ['a negative dimension', tensorBytes(one({ shape: [-1] }), FOUR), /shape is not a list/],
  ['a fractional dimension', tensorBytes(one({ shape: [0.5] }), FOUR), /shape is not a list/],
  ['a dimension that is a text', tensorBytes(one({ shape: ['1'] }), FOUR), /shape is not a list/],
  ['a shape whose product overflows', tensorBytes(one({ shape: [2 ** 40, 2 ** 40] }), FOUR), /shape is too large/],
  ['a shape beyond every number', text('{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,4]}}'), /shape is not/],
  ['one offset', tensorBytes(one({ data_offsets: [0] }), FOUR), /data_offsets is not a pair/],
  ['three offsets', tensorBytes(one({ data_offsets: [0, 4, 4] }), FOUR), /data_offsets is not a pair/],
  ['a negative offset', tensorBytes(one({ data_offsets: [-4, 0] }), FOUR), /data_offsets is not a pair/],
  ['a fractional offset', tensorBytes(one({ data_offsets: [0.5, 4.5] }), FOUR), /data_offsets is not a pair/],
  ['an offset above 2^53', text('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9007199254740993]}}'), /not a pair/],
  ['offsets in the wrong order', tensorBytes(one({ data_offsets: [4, 0] }), FOUR), /has -4 bytes/],
  ['fewer bytes than the shape needs', tensorBytes(one({ shape: [2] }), FOUR), /has 4 bytes .* need 8/],
  ['more bytes than the dtype needs', tensorBytes(one({ dtype: 'F16' }), FOUR), /has 4 bytes .* need 2/],
  ['data that begin late', tensorBytes(one({ data_offsets: [4, 8] }), new Uint8Array(8)), /leaves a hole/],
  ['a hole', tensorBytes(two([0, 4], [8, 12]), new Uint8Array(12)), /tensor "b" leaves a hole/],
  ['an overlap', tensorBytes(two([0, 4], [2, 6]), new Uint8Array(6)), /tensor "b" leaves a hole or overlaps/],
  ['two tensors of the same bytes', tensorBytes(two([0, 4], [0, 4]), FOUR), /overlaps/],
  ['trailing bytes', tensorBytes(one({}), new Uint8Array(5)), /end at byte \d+, the file at/],
  ['missing bytes', tensorBytes(one({}), new Uint8Array(3)), /end at byte \d+, the file at/],
  ['metadata with a number', tensorBytes({ __metadata__: { a: 1 } }, new Uint8Array(0)), /__metadata__ is not/],
  ['metadata that are a text', tensorBytes({ __metadata__: 'pt' }, new Uint8Array(0)), /__metadata__ is not/],
  ['a long name', tensorBytes({ ['a'.repeat(100_000)]: 1 }, FOUR), /^.{0,300}$/],
];

t.test('a file that breaks the format is refused with the reason', async (t) => {
  const file = path.join(t.testdir(), 'a.safetensors');
  for (const [name, bytes, message] of REFUSED) {
    t.throws(() => parseTensorFile(bytes, ADAPTER_LIMITS), { name: 'SafetensorsError', message }, name);
    await writeFile(file, bytes);
    await t.rejects(readTensorFile(file, ADAPTER_LIMITS), { name: 'SafetensorsError', message }, `${name}, read`);
  }
});

const ACCEPTED: [string, Uint8Array, readonly string[]][] = [
  ['no tensors', tensorBytes({}, new Uint8Array(0)), []],
  ['padding with spaces', tensorBytes(`{"a":${ENTRY}}   `, FOUR), ['a']],
  ['tensors listed in another order than their data', tensorBytes(two([4, 8], [0, 4]), new Uint8Array(8)), ['a', 'b']],
  [
    'a tensor of no elements between others',
    tensorBytes(
      { ...two([0, 4], [4, 8]), c: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] } },
      new Uint8Array(8),
    ),
    ['a', 'b', 'c'],
  ],
  ['a scalar', tensorBytes(one({ shape: [] }), FOUR), ['a']],
  ['names that JavaScript objects know', text(`{"__proto__":${ENTRY}}`), ['__proto__']],
  ['an empty name', text(`{"":${ENTRY}}`), ['']],
];

t.test('a file that keeps the format is read', async (t) => {
  for (const [name, bytes, names] of ACCEPTED) {
    t.strictSame([...parseTensorFile(bytes).tensors.keys()].sort(), names, name);
  }
});

t.test('the limit on the header is the one asked for', async (t) => {
  const bytes = tensorBytes(`{"a":${ENTRY}}${' '.repeat(ADAPTER_LIMITS.maxHeader)}`, FOUR);
  t.throws(() => parseTensorFile(bytes, ADAPTER_LIMITS), SafetensorsError);
  t.equal(parseTensorFile(bytes, CHECKPOINT_LIMITS).tensors.size, 1);
});

t.test('a string as long as the limit allows is read', async (t) => {
  const bytes = tensorBytes({ __metadata__: { note: '\\"x'.repeat(3_000_000) }, ...one({}) }, FOUR);
  t.equal(parseTensorFile(bytes).metadata.get('note')?.length, 9_000_000);
});

t.test('a view into a larger buffer is read like the file alone', async (t) => {
  const bytes = tensorBytes(one({}), FOUR);
  const view = new Uint8Array(bytes.length + 13).subarray(13);
  view.set(bytes);
  t.strictSame(parseTensorFile(view), parseTensorFile(bytes));
});

t.test('what is written reads back', async (t) => {
  const tensors = [
    { name: 'b', shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, Number.MIN_VALUE, 1e38) },
    { name: '__proto__', shape: [1], data: Float32Array.of(7) },
    { name: 'none', shape: [0], data: new Float32Array(0) },
  ];
  const bytes = writeTensors(tensors);
  const { tensors: read, metadata } = parseTensorFile(bytes);
  t.strictSame([...metadata], [['format', 'pt']]);
  for (const { name, shape, data } of tensors) {
    const entry = read.get(name);
    t.strictSame(entry?.shape, shape, name);
    t.equal((entry?.offset ?? 1) % 4, 0, 'aligned');
    t.strictSame(
      new Float32Array(bytes.slice(entry?.offset, (entry?.offset ?? 0) + (entry?.length ?? 0)).buffer),
      data,
    );
  }
});

t.test('two thousand mutations of a valid file never give another error', async (t) => {
  const bytes = writeTensors([
    { name: 'a.weight', shape: [10, 8], data: new Float32Array(80) },
    { name: 'a.bias', shape: [2], data: Float32Array.of(5, 6) },
  ]);
  const random = generator(1);
  const outcomes = { read: 0, refused: 0 };
  for (let i = 0; i < 2000; i++) {
    const attempt = mutated(random, bytes);
    try {
      for (const { offset, length } of parseTensorFile(attempt).tensors.values()) {
        if (offset + length > attempt.length) t.fail('data outside the file');
      }
      outcomes.read++;
    } catch (error) {
      if (!(error instanceof SafetensorsError)) throw error;
      outcomes.refused++;
    }
  }
  t.ok(outcomes.read > 100 && outcomes.refused > 100, JSON.stringify(outcomes));
});
