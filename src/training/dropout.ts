/**
 * Masks of the dropout on LoRA branches (PEFT's lora_dropout): 0 with probability p, else 1 / (1 - p). An element's
 * fate hangs on (seed, step, mask, row, column) alone: neither padding nor the division into micro-batches changes it.
 */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { evaluate } from '../graph/dims.js';
import { relativeRows } from '../graph/relative.js';
import type { DropoutMask } from '../graph/training.js';
import type { Tensor } from '../runtime/session.js';
import { type Key, bits, keyOf } from './random.js';

export interface DropoutDraw {
  readonly seed: number;
  /** Counts optimizer steps. */
  readonly step: number;
  /** Place of each row in the step's batch. */
  readonly places: readonly number[];
}

interface Sizes {
  readonly L: number;
  readonly B: number;
}

/** The feeds of `masks`. Buffers are used again by the next call. */
export function dropoutFeeds(
  config: DebertaConfig,
  masks: readonly DropoutMask[],
  p: number,
): (draw: DropoutDraw, sizes: Sizes) => Record<string, Tensor> {
  const gaps = gapTable(p);
  const buffers = new Map<string, Float32Array>();
  const buffer = (name: string, length: number): Float32Array => {
    if ((buffers.get(name)?.length ?? 0) < length) buffers.set(name, new Float32Array(length));
    return buffers.get(name)!.subarray(0, length).fill(gaps.kept);
  };
  return ({ seed, step, places }, sizes) =>
    Object.fromEntries(
      masks.map((mask) => {
        const [rows, width] = mask.shape.map((d) => evaluate(d, { ...sizes })) as [number, number];
        const data = buffer(mask.name, rows * width);
        const numberOf = rowNumbers(config, mask, sizes, places);
        for (let row = 0; row < rows; row++)
          drop(data, row * width, width, keyOf(seed, step, mask.id, numberOf(row)), gaps);
        return [mask.name, { data, shape: [rows, width] }];
      }),
    );
}

/** Position and row of a token; distances share a number, and so a fate, where they share an embedding. */
function rowNumbers(
  config: DebertaConfig,
  { rows }: DropoutMask,
  { L, B }: Sizes,
  places: readonly number[],
): (row: number) => number {
  if (rows === 'tokens') return (row) => Math.floor(row / B) * 0x10000 + places[row % B]!;
  const embeddings = relativeRows(config, L, rows);
  return (row) => embeddings[row]!;
}

interface Gaps {
  /** How many elements are kept before the next is dropped, by 16 random bits. */
  readonly table: Uint32Array;
  /** What a kept element is: the inverse of the share that is kept. */
  readonly kept: number;
}

const DRAWS = 0x10000;
const LONGEST_GAP = 2 ** 30;

/** Between drops lie geometrically many elements: ⌊log u / log(1 - p)⌋ for u uniform in (0, 1). */
function gapTable(p: number): Gaps {
  const gap = (draw: number): number => Math.min(Math.log((draw + 0.5) / DRAWS) / Math.log1p(-p), LONGEST_GAP);
  const table = Uint32Array.from({ length: DRAWS }, (_, draw) => gap(draw));
  const kept = table.reduce((sum, length) => sum + length, 0) / DRAWS;
  return { table, kept: (kept + 1) / kept };
}

/** Zeroes elements of `out`; two gaps out of each random number. Jumping costs a third of deciding on each element. */
function drop(out: Float32Array, offset: number, width: number, key: Key, { table }: Gaps): void {
  const end = offset + width;
  for (let at = offset, counter = 0; ; at++) {
    const random = bits(key, counter++);
    at += table[random & 0xffff]!;
    if (at >= end) return;
    out[at++] = 0;
    at += table[random >>> 16]!;
    if (at >= end) return;
    out[at] = 0;
  }
}
