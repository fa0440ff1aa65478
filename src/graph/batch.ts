/** Sequences of token ids as the forward graph's inputs. */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { FALLING, KEY_BIAS, RISING } from './attention.js';
import { INPUT_IDS, TOKEN_MASK } from './deberta.js';
import { relativeRows } from './relative.js';

export interface BatchTensor {
  readonly data: Float32Array | Int32Array;
  readonly shape: readonly number[];
}

export interface Batch {
  readonly feeds: Readonly<Record<string, BatchTensor>>;
  readonly bindings: { readonly L: number; readonly B: number };
}

/** Far enough below any score that its exponential is 0, near enough that adding a score keeps it finite. */
const MASKED = -1e30;

/** Pads `rows` to the longest. Position-major: token l of row b is at l·B + b. */
export function batch(config: DebertaConfig, rows: readonly Int32Array[]): Batch {
  const [B, L] = [rows.length, Math.max(...rows.map((row) => row.length))];
  const ids = new Int32Array(L * B).fill(config.padTokenId);
  const mask = new Float32Array(L * B);
  const bias = new Float32Array(B * L).fill(MASKED);
  rows.forEach((row, b) => {
    row.forEach((id, l) => {
      ids[l * B + b] = id;
      mask[l * B + b] = 1;
    });
    bias.fill(0, b * L, b * L + row.length);
  });
  const feeds = {
    [INPUT_IDS]: { data: ids, shape: [L * B] },
    [TOKEN_MASK]: { data: mask, shape: [L * B, 1] },
    [KEY_BIAS]: { data: bias, shape: [B, 1, 1, L] },
    [FALLING]: { data: relativeRows(config, L, 'falling'), shape: [2 * L] },
    [RISING]: { data: relativeRows(config, L, 'rising'), shape: [2 * L] },
  };
  return { feeds, bindings: { L, B } };
}
