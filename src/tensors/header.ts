/** The JSON header of a safetensors file, checked in full. */
import { parseStrictJson, shown } from './json.js';
import { BYTES, type FloatType } from './dtype.js';
import { SafetensorsError, type TensorEntry, type TensorFile } from './entry.js';

const METADATA = '__metadata__';

/** `bytes` is the header alone, `size` the length of the whole file. */
export function parseHeader(bytes: Uint8Array, size: number): TensorFile {
  const dataStart = 8 + bytes.length;
  const members = headerMembers(bytes);
  const tensors = [...members]
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => entry(name, value, dataStart));
  checkCoverage(tensors, dataStart, size);
  return { tensors: new Map(tensors.map((t) => [t.name, t])), metadata: metadata(members.get(METADATA)) };
}

function headerMembers(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  if (bytes[0] !== 0x7b) throw new SafetensorsError("the header does not start with '{'");
  const root = parseStrictJson(bytes, (reason) => new SafetensorsError(`the header is not valid JSON: ${reason}`));
  if (!(root instanceof Map)) throw new SafetensorsError('the header is not a JSON object');
  return root;
}

function entry(name: string, value: unknown, dataStart: number): TensorEntry {
  const fail = (reason: string): SafetensorsError => new SafetensorsError(`tensor ${shown(name)}: ${reason}`);
  if (!(value instanceof Map)) throw fail('is not an object');
  for (const key of value.keys())
    if (!['dtype', 'shape', 'data_offsets'].includes(key)) throw fail(`unknown key ${shown(key)}`);
  const type: unknown = value.get('dtype');
  if (!isFloatType(type)) throw fail(`dtype ${shown(type)} is not one of ${Object.keys(BYTES).join(', ')}`);
  const shape: unknown = value.get('shape');
  if (!isNaturals(shape)) throw fail('shape is not a list of non-negative integers');
  const offsets: unknown = value.get('data_offsets');
  if (!isNaturals(offsets) || offsets.length !== 2) throw fail('data_offsets is not a pair of non-negative integers');
  const [begin = 0, end = 0] = offsets;
  const length = shape.reduce((a, b) => a * b, BYTES[type]);
  if (!Number.isSafeInteger(length)) throw fail('shape is too large');
  if (end - begin !== length) throw fail(`has ${end - begin} bytes where its shape and dtype need ${length}`);
  return { name, type, shape, offset: dataStart + begin, length };
}

/** The format wants the data to be one contiguous run from the header's end to the file's. */
function checkCoverage(tensors: readonly TensorEntry[], start: number, size: number): void {
  let position = start;
  for (const { name, offset, length } of tensors.toSorted((a, b) => a.offset - b.offset || a.length - b.length)) {
    if (offset !== position) throw new SafetensorsError(`tensor ${shown(name)} leaves a hole or overlaps another`);
    position += length;
  }
  if (position !== size) throw new SafetensorsError(`the tensors end at byte ${position}, the file at ${size}`);
}

function metadata(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (!(value instanceof Map) || ![...value.values()].every((v) => typeof v === 'string')) {
    throw new SafetensorsError('__metadata__ is not an object of strings');
  }
  return value as ReadonlyMap<string, string>;
}

const isFloatType = (value: unknown): value is FloatType => typeof value === 'string' && Object.hasOwn(BYTES, value);

const isNaturals = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
