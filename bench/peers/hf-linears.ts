/** The frozen weights of the stand-in: as the exporter writes them, and as onnxruntime's dynamic quantiser rewrites them. */
import type { GraphWriter } from './onnx-writer.js';

export interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A tensor of the checkpoint. */
export type Read = (name: string) => Matrix;

export interface Linears {
  /** x [..., in] of three axes → [..., out]. */
  linear(x: string, module: string): string;
  /** x [rows, in] → [rows, out]; `name` names the result. */
  flat(x: string, module: string, name?: string): string;
  /** Rows of a table. */
  embedding(table: string, ids: string): string;
}

/** nn.Linear: on three axes MatMul with a folded transposition and Add, on two axes Gemm. */
export function float32Linears(g: GraphWriter, read: Read): Linears {
  const tensor = (name: string): string => g.tensor(name, () => read(name));
  return {
    linear: (x, module) => {
      const weight = g.tensor(`${module}.weight.T`, () => transpose(read(`${module}.weight`)));
      return g.op('Add', [tensor(`${module}.bias`), g.op('MatMul', [x, weight])]);
    },
    flat: (x, module, name) =>
      g.op('Gemm', [x, tensor(`${module}.weight`), tensor(`${module}.bias`)], { transB: 1 }, name),
    embedding: (table, ids) => g.op('Gather', [tensor(table), ids]),
  };
}

/**
 * quantize_dynamic of onnxruntime with its defaults and signed weights: one symmetric scale for each tensor, activations
 * uint8 by one scale and zero point for each tensor, shared by all who read it; Gemm becomes MatMul and Add before.
 */
export function quantisedLinears(g: GraphWriter, read: Read): Linears {
  const activations = new Map<string, readonly string[]>();
  const activation = (x: string): readonly string[] => {
    const known = activations.get(x) ?? g.ops('DynamicQuantizeLinear', [x], 3);
    activations.set(x, known);
    return known;
  };
  const linear = (x: string, module: string, name?: string): string => {
    const [quantised, scale, zero] = activation(x) as [string, string, string];
    const weight = quantisedWeight(g, `${module}.weight`, () => transpose(read(`${module}.weight`)));
    const product = g.op('MatMulInteger', [quantised, weight.stored, zero, weight.zero]);
    const widened = g.op('Mul', [g.op('Cast', [product], { to: 'float32' }), g.op('Mul', [scale, weight.scale])]);
    return g.op('Add', [g.tensor(`${module}.bias`, () => read(`${module}.bias`)), widened], {}, name);
  };
  const embedding = (table: string, ids: string): string => {
    const { stored, scale, zero } = quantisedWeight(g, table, () => read(table));
    return g.op('DequantizeLinear', [g.op('Gather', [stored, ids]), scale, zero]);
  };
  return { linear, flat: linear, embedding };
}

function quantisedWeight(g: GraphWriter, name: string, values: () => Matrix) {
  let made: ReturnType<typeof quantise> | undefined;
  const make = (): ReturnType<typeof quantise> => (made ??= quantise(values()));
  return {
    stored: g.tensor(`${name}_quantized`, make),
    scale: g.tensor(`${name}_scale`, () => ({ shape: [], data: Float32Array.of(make().scale) })),
    zero: g.tensor('weight_zero_point', () => ({ shape: [], data: new Int8Array(1) })),
  };
}

/** Symmetric: the largest magnitude becomes 127. */
function quantise({ shape, data }: Matrix): { shape: readonly number[]; data: Int8Array; scale: number } {
  const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const scale = Math.fround(largest / 127) || 1;
  return { shape, data: Int8Array.from(data, (x) => Math.round(x / scale)), scale };
}

function transpose({ shape, data }: Matrix): Matrix {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!;
  return { shape: [columns, rows], data: out };
}
