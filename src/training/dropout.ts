/**
 * Masks of the dropout on LoRA branches (PEFT's lora_dropout): 0 with probability p, else 1 / (1 - p). An element's
 * fate hangs on (seed, step, mask, row, column) alone: neither padding nor the division into micro-batches changes it.
 */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { evaluate } from '../graph/dims.js';
import { relativeRows } from '../graph/relative.js';
import type { DropoutMask } from '../graph/training.js';
import type { Tensor } from '../runtime/session.js';
import { bits, keyOf } from './random.js';

export interface DropoutDraw {
  readonly seed: number;
  /** Counts optimizer steps. */
  readonly step: number;
  /** Place in the step's batch of the micro-batch's first row. */
  readonly firstRow: number;
}

/** The feeds of `masks`. Buffers are used again by the next call. */
export type DropoutFeeds = (
  draw: DropoutDraw,
  bindings: { readonly L: number; readonly B: number },
) => Record<string, Tensor>;

export function dropoutFeeds(config: DebertaConfig, masks: readonly DropoutMask[], p: number): DropoutFeeds {
  const buffers = new Map(masks.map(({ name }) => [name, new Float32Array(0)]));
  return ({ seed, step, firstRow }, bindings) =>
    Object.fromEntries(
      masks.map((mask) => {
        const [rows, width] = mask.shape.map((d) => evaluate(d, bindings)) as [number, number];
        if (buffers.get(mask.name)!.length < rows * width) buffers.set(mask.name, new Float32Array(rows * width));
        const data = buffers.get(mask.name)!.subarray(0, rows * width);
        const numberOf = rowNumbers(config, mask, bindings, firstRow);
        for (let row = 0; row < rows; row++)
          fillRow(data, row * width, width, keyOf(seed, step, mask.id, numberOf(row)), p);
        return [mask.name, { data, shape: [rows, width] }];
      }),
    );
}

/** Positions below 2¹⁶ of rows below 2¹⁵; distances share a number where they share an embedding. */
function rowNumbers(
  config: DebertaConfig,
  { rows }: DropoutMask,
  { L, B }: { L: number; B: number },
  firstRow: number,
): (row: number) => number {
  if (rows === 'tokens') return (row) => (firstRow + (row % B)) * 0x10000 + Math.floor(row / B);
  const embeddings = relativeRows(config, L, rows);
  return (row) => embeddings[row]!;
}

/** Two elements of 16 bits out of each number. */
function fillRow(out: Float32Array, offset: number, width: number, key: ReturnType<typeof keyOf>, p: number): void {
  const limit = Math.round(p * 0x10000);
  const kept = 0x10000 / (0x10000 - limit);
  for (let i = 0; i < width; i += 2) {
    const random = bits(key, i);
    out[offset + i] = ((limit - 1 - (random >>> 16)) >>> 31) * kept;
    if (i + 1 < width) out[offset + i + 1] = ((limit - 1 - (random & 0xffff)) >>> 31) * kept;
  }
}
