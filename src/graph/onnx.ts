/**
 * Writes a graph as an ONNX file (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the numbers below are that
 * file's field numbers). Weights are written as external data: a place in a file, never bytes.
 */
import { type Dim, type Shape, add as sum, constant, dim, shape, shapeText, text } from './dims.js';
import { OPERATORS } from './operators.js';
import { Message } from './protobuf.js';
import { type DType, type Node, type TensorType, type Value, isNode, value } from './value.js';

export interface Outputs {
  readonly [name: string]: Value;
}

/** A vector of dimensions the host evaluates and feeds (int64) at every run. */
export interface DimsFeed {
  readonly name: string;
  readonly dims: Shape;
}

export interface CompiledGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly string[];
  readonly dimsFeeds: readonly DimsFeed[];
  readonly outputs: readonly string[];
}

const IR_VERSION = 9;
const OPSETS = [
  ['', 17],
  ['com.microsoft', 1],
] as const;

const ELEMENT: Record<DType, number> = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, float16: 10, bfloat16: 16 };
const EXTERNAL = 1;

/** The ONNX file of the graph that ends in `outputs`, and what its host has to feed. */
export function compile(outputs: Outputs): CompiledGraph {
  const writer = new Writer();
  for (const [name, result] of Object.entries(outputs)) writer.output(name, result);
  return writer.finish();
}

class Writer {
  readonly #names = new Map<unknown, string>();
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];
  readonly #inputNames: string[] = [];
  readonly #outputNames: string[] = [];
  readonly #dimsFeeds: DimsFeed[] = [];

  output(name: string, result: Value): void {
    const node = result.source.kind === 'node' && result.source.output === 0 ? result.source.node : undefined;
    if (!node || this.#names.has(node)) throw new TypeError(`output ${name} must be a node of its own`);
    this.#node(node, name);
    this.#outputs.push(valueInfo(name, result));
    this.#outputNames.push(name);
  }

  finish(): CompiledGraph {
    const graph = new Message()
      .messages(1, this.#nodes)
      .string(2, 'errata')
      .messages(5, this.#initializers)
      .messages(11, this.#inputs)
      .messages(12, this.#outputs);
    const model = new Message().int(1, IR_VERSION).string(2, 'errata').message(7, graph);
    for (const [domain, version] of OPSETS) model.message(8, new Message().string(1, domain).int(2, version));
    return { bytes: model.finish(), inputs: this.#inputNames, dimsFeeds: this.#dimsFeeds, outputs: this.#outputNames };
  }

  /** The name of `v`, having written whatever makes it. */
  #name(v: Value): string {
    const { source } = v;
    if (source.kind === 'node' && source.node.op === 'StraightThrough') return this.#name(source.node.inputs[1]!);
    if (source.kind === 'node')
      return outputName(this.#names.get(source.node) ?? this.#node(source.node), source.output);
    const key = keyOf(v);
    return this.#names.get(key) ?? this.#leaf(key, v);
  }

  #leaf(key: string, v: Value): string {
    const { source } = v;
    const name =
      source.kind === 'input' || source.kind === 'weight' ? source.name : `${source.kind}_${this.#names.size}`;
    this.#names.set(key, name);
    if (source.kind === 'weight' || source.kind === 'constant') this.#initializers.push(initializer(name, v));
    else this.#inputs.push(valueInfo(name, v));
    if (source.kind === 'input') this.#inputNames.push(name);
    if (source.kind === 'dims') this.#dimsFeeds.push({ name, dims: source.dims });
    return name;
  }

  #node(node: Node, name?: string): string {
    const inputs = [...node.inputs, ...vectorInputs(node)].map((v) => this.#name(v));
    const output = name ?? `${node.op}_${this.#nodes.length}`;
    this.#names.set(node, output);
    const message = new Message();
    for (const input of inputs) message.string(1, input);
    for (const i of node.outputs.keys()) message.string(2, outputName(output, i));
    message.string(4, node.op).messages(5, attributes(node));
    this.#nodes.push(message.string(7, OPERATORS[node.op].domain));
    return output;
  }
}

const outputName = (name: string, output: number): string => (output === 0 ? name : `${name}.${output}`);

/** Leaves are shared by content, nodes by identity. */
function keyOf({ source, dtype, shape: dims }: Value): string {
  if (source.kind === 'constant')
    return `constant ${dtype}${shapeText(dims)} ${Buffer.from(source.data).toString('base64')}`;
  if (source.kind === 'dims') return `dims ${source.dims.map(text).join()}`;
  return source.kind === 'node' ? '' : `${source.kind} ${source.name}`;
}

/** What ONNX takes as int64 inputs and our nodes keep as attributes. */
function vectorInputs(node: Node): Value[] {
  if (isNode(node, 'Reshape') || isNode(node, 'Expand')) return [vector(node.attributes.to)];
  if (isNode(node, 'ReduceSum')) return [vector(shape(node.attributes.axis))];
  if (isNode(node, 'Pad')) return [vector(padding(node))];
  if (!isNode(node, 'Slice')) return [];
  const { start, length, axis } = node.attributes;
  return [vector([start]), vector([sum(start, length)]), vector(shape(axis))];
}

/** Zeros before each axis, then after each. */
function padding({ attributes: { axis, before, after }, outputs }: Node<'Pad'>): Shape {
  const none = outputs[0]!.shape.map(() => dim(0));
  return [...none.with(axis, before), ...none.with(axis, after)];
}

/** A constant where every dimension is known, else a feed. */
function vector(dims: Shape): Value {
  const type = { dtype: 'int64', shape: shape(dims.length) } as const;
  const known = dims.map(constant);
  if (known.includes(undefined)) return value(type, { kind: 'dims', dims });
  const data = new Uint8Array(BigInt64Array.from(known.map((n) => BigInt(n ?? 0))).buffer);
  return value(type, { kind: 'constant', data });
}

function* attributes(node: Node): Generator<Message> {
  for (const [key, given] of Object.entries(node.attributes)) {
    if (given === undefined || UNWRITTEN.has(`${node.op}.${key}`)) continue;
    yield attribute(key, key === 'to' ? ELEMENT[given as DType] : (given as number | readonly number[]));
  }
  if (isNode(node, 'ReduceSum') && !node.attributes.keepdims) yield attribute('keepdims', 0);
}

/** Attributes that are inputs of the ONNX operator, or a number of outputs. */
const UNWRITTEN = new Set([
  'Expand.to',
  'LayerNormalization.statistics',
  'Pad.after',
  'Pad.axis',
  'Pad.before',
  'ReduceSum.axis',
  'Reshape.to',
  'Slice.axis',
  'Slice.length',
  'Slice.start',
]);
const FLOAT_ATTRIBUTES = new Set(['alpha', 'epsilon']);

function attribute(name: string, given: number | readonly number[]): Message {
  const message = new Message().string(1, name);
  if (typeof given !== 'number') {
    for (const n of given) message.int(8, n);
    return message.int(20, 7);
  }
  return FLOAT_ATTRIBUTES.has(name) ? message.float(2, given).int(20, 1) : message.int(3, given).int(20, 2);
}

function initializer(name: string, { dtype, shape: dims, source }: Value): Message {
  const message = new Message();
  for (const d of dims) message.int(1, constant(d) ?? 0);
  message.int(2, ELEMENT[dtype]).string(8, name);
  if (source.kind === 'constant') return message.bytes(9, source.data);
  if (source.kind !== 'weight') throw new TypeError(`${name} is no initializer`);
  const place = { location: source.file, offset: source.offset, length: source.length };
  for (const [key, given] of Object.entries(place))
    message.message(13, new Message().string(1, key).string(2, String(given)));
  return message.int(14, EXTERNAL);
}

function valueInfo(name: string, type: TensorType): Message {
  const dims = new Message().messages(1, type.shape.map(dimension));
  const tensor = new Message().int(1, ELEMENT[type.dtype]).message(2, dims);
  return new Message().string(1, name).message(2, new Message().message(1, tensor));
}

function dimension(d: Dim): Message {
  const n = constant(d);
  return n === undefined ? new Message().string(2, text(d)) : new Message().int(1, n);
}
