/** What the reference computes of lengths and masks before its layers (modeling_deberta_v2.py, build_relative_position). */
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import type { GraphWriter } from './onnx-writer.js';

export interface Places {
  /** int64 [1]: rows of the batch, and its tokens. */
  readonly rows: string;
  readonly tokens: string;
  /** For torch.gather, int64 [rows · heads, tokens, tokens]. */
  readonly c2p: string;
  readonly p2c: string;
}

/** bool [batch, 1, tokens, tokens]: true where attention must not go. */
export function attentionMask(g: GraphWriter, mask: string): string {
  const keys = g.op('Unsqueeze', [g.op('Unsqueeze', [mask, g.ints(1)]), g.ints(2)]);
  const queries = g.op('Unsqueeze', [g.op('Squeeze', [keys, g.ints(-2)]), g.ints(-1)]);
  return g.op('Not', [g.op('Cast', [g.op('Mul', [keys, queries])], { to: 'bool' })]);
}

export function relativePositions(g: GraphWriter, config: DebertaConfig, ids: string): Places {
  const shape = g.op('Shape', [ids]);
  const [rows, tokens] = [0, 1].map((axis) => g.op('Gather', [shape, g.ints(axis)])) as [string, string];
  const range = g.op('Range', [g.int(0), g.op('Squeeze', [tokens]), g.int(1)]);
  const distances = g.op('Sub', [g.op('Unsqueeze', [range, g.ints(1)]), g.op('Unsqueeze', [range, g.ints(0)])]);
  const bucket = config.positionBuckets > 0 ? logBucket(g, config, distances) : distances;
  const size = g.op('Concat', [g.op('Mul', [rows, g.ints(config.heads)]), tokens, tokens], { axis: 0 });
  const place = (from: string): string => {
    const shifted = g.op('Add', [from, g.int(config.relativeSpan)]);
    const clamped = g.op('Clip', [shifted, g.int(0), g.int(2 * config.relativeSpan - 1)]);
    return g.op('Expand', [g.op('Unsqueeze', [clamped, g.ints(0)]), size]);
  };
  return { rows, tokens, c2p: place(bucket), p2c: place(g.op('Neg', [bucket])) };
}

/** make_log_bucket_position, operator by operator. */
function logBucket(g: GraphWriter, { positionBuckets, maxRelativePositions }: DebertaConfig, distance: string): string {
  const mid = Math.floor(positionBuckets / 2);
  const near = g.op('And', [g.op('Less', [distance, g.int(mid)]), g.op('Greater', [distance, g.int(-mid)])]);
  const far = g.op('Where', [near, g.int(mid - 1), g.op('Abs', [distance])]);
  const float = (x: string): string => g.op('Cast', [x], { to: 'float32' });
  const logarithm = g.op('Log', [g.op('Div', [float(far), g.float(mid)])]);
  const range = g.float(Math.fround(Math.log((maxRelativePositions - 1) / mid)));
  const bin = g.op('Ceil', [g.op('Mul', [g.op('Div', [logarithm, range]), g.float(mid - 1)])]);
  const signed = g.op('Mul', [g.op('Add', [bin, g.float(mid)]), float(g.op('Sign', [distance]))]);
  const exact = g.op('LessOrEqual', [far, g.int(mid)]);
  return g.op('Cast', [g.op('Where', [exact, float(distance), signed])], { to: 'int64' });
}
