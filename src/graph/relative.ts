/**
 * Relative positions of DeBERTa-v2/v3. Scoring against every distance once and skewing the result (Transformer-XL,
 * Dai et al. 2019, appendix B) takes the place of the reference's gather over [L, L] indices.
 */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { reshape, slice } from './build.js';
import { add, mul, sub } from './dims.js';
import type { Value } from './value.js';

const f32 = Math.fround;

/**
 * make_log_bucket_position of the reference, in float32 as there: distances up to half the buckets are exact, the
 * others fall into logarithmic bins.
 */
export function logBucket(distance: number, buckets: number, maxPosition: number): number {
  const mid = Math.floor(buckets / 2);
  const far = Math.abs(distance);
  if (far <= mid) return distance;
  const ratio = f32(f32(Math.log(f32(far / mid))) / f32(Math.log(f32((maxPosition - 1) / mid))));
  return Math.sign(distance) * (Math.ceil(f32(ratio * (mid - 1))) + mid);
}

/** The row of rel_embeddings that stands for `distance` = query position - key position. */
export function relativeRow(config: DebertaConfig, distance: number): number {
  const { positionBuckets, maxRelativePositions, relativeSpan } = config;
  const bucket = positionBuckets > 0 ? logBucket(distance, positionBuckets, maxRelativePositions) : distance;
  return Math.min(Math.max(bucket + relativeSpan, 0), 2 * relativeSpan - 1);
}

/**
 * Rows for the distances L-1, L-2, … -L (2L of them, one more than needed, so that L = 1 has a shape), or in the other
 * order -(L-1) … L.
 */
export function relativeRows(config: DebertaConfig, tokens: number, order: 'falling' | 'rising'): Int32Array {
  const sign = order === 'falling' ? 1 : -1;
  return Int32Array.from({ length: 2 * tokens }, (_, e) => relativeRow(config, sign * (tokens - 1 - e)));
}

/** [B, H, L, 2L] → [B, H, L, L]: out[i, j] = x[i, j - i + L - 1], by shifting each row against the one above. */
export function skew(x: Value, batch: string, heads: number, tokens: string): Value {
  const width = add(mul(2, tokens), -1);
  const flat = reshape(x, batch, heads, mul(2, tokens, tokens));
  const shifted = slice(flat, 2, sub(tokens, 1), mul(tokens, width));
  return slice(reshape(shifted, batch, heads, tokens, width), 3, 0, tokens);
}
