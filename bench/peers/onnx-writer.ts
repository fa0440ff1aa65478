/**
 * Writes any ONNX graph, node by node, as an exporter does: values are names, weights lie inside the file
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the numbers below are that file's field numbers).
 */
import { Message } from '../../src/graph/protobuf.js';

export const ELEMENT = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 } as const;
export type Element = keyof typeof ELEMENT;

/** A whole number is written as INT, a list as INTS, an element type as its number. */
export type Attributes = Readonly<Record<string, number | readonly number[] | Element>>;
export type TypedData = Float32Array | BigInt64Array | Int8Array | Uint8Array;

const [IR_VERSION, OPSET] = [8, 17];
const [TYPE_INT, TYPE_INTS] = [2, 7];

export class GraphWriter {
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];
  readonly #tensors = new Set<string>();
  #made = 0;

  /** `dims`: a number is fixed, a text is symbolic. */
  input(name: string, element: Element, dims: readonly (number | string)[]): string {
    this.#inputs.push(valueInfo(name, element, dims));
    return name;
  }

  /** The node that yields it must have been given this name. */
  output(name: string, element: Element, dims: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, element, dims));
  }

  /** The tensor of this name, which is made and written when it is first asked for. */
  tensor(name: string, make: () => { readonly shape: readonly number[]; readonly data: TypedData }): string {
    if (this.#tensors.has(name)) return name;
    const { shape: dims, data } = make();
    this.#tensors.add(name);
    const message = new Message();
    for (const d of dims) message.int(1, d);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push(message.int(2, ELEMENT[elementOf(data)]).string(8, name).bytes(9, bytes));
    return name;
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.tensor(`float_${value}`, () => ({ shape: [], data: Float32Array.of(value) }));
  }

  /** An int64 scalar. */
  int(value: number): string {
    return this.tensor(`int_${value}`, () => ({ shape: [], data: BigInt64Array.of(BigInt(value)) }));
  }

  /** An int64 vector. */
  ints(...values: readonly number[]): string {
    const data = (): BigInt64Array => BigInt64Array.from(values.map(BigInt));
    return this.tensor(`ints_${values.join('_')}`, () => ({ shape: [values.length], data: data() }));
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}, name?: string): string {
    return this.ops(type, inputs, 1, attributes, name)[0]!;
  }

  /** A node with several outputs. */
  ops(type: string, inputs: readonly string[], outputs: number, attributes: Attributes = {}, name?: string): string[] {
    const node = name ?? `${type}_${this.#made++}`;
    const names = Array.from({ length: outputs }, (_, i) => (i === 0 ? node : `${node}.${i}`));
    const message = new Message();
    for (const one of inputs) message.string(1, one);
    for (const one of names) message.string(2, one);
    this.#nodes.push(message.string(3, node).string(4, type).messages(5, Object.entries(attributes).map(attribute)));
    return names;
  }

  finish(): Uint8Array {
    const graph = new Message().messages(1, this.#nodes).string(2, 'main_graph').messages(5, this.#initializers);
    graph.messages(11, this.#inputs).messages(12, this.#outputs);
    const opset = new Message().string(1, '').int(2, OPSET);
    return new Message().int(1, IR_VERSION).string(2, 'errata-bench').message(7, graph).message(8, opset).finish();
  }
}

function elementOf(data: TypedData): Element {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof BigInt64Array) return 'int64';
  return data instanceof Int8Array ? 'int8' : 'uint8';
}

function attribute([name, given]: readonly [string, number | readonly number[] | Element]): Message {
  const message = new Message().string(1, name);
  if (typeof given === 'string') return message.int(3, ELEMENT[given]).int(20, TYPE_INT);
  if (typeof given !== 'number') return withInts(message, given).int(20, TYPE_INTS);
  return Number.isInteger(given) ? message.int(3, given).int(20, TYPE_INT) : message.float(2, given).int(20, 1);
}

function withInts(message: Message, given: readonly number[]): Message {
  for (const n of given) message.int(8, n);
  return message;
}

function valueInfo(name: string, element: Element, dims: readonly (number | string)[]): Message {
  const dimensions = dims.map((d) => (typeof d === 'number' ? new Message().int(1, d) : new Message().string(2, d)));
  const tensor = new Message().int(1, ELEMENT[element]).message(2, new Message().messages(1, dimensions));
  return new Message().string(1, name).message(2, new Message().message(1, tensor));
}
