/**
 * Disentangled self-attention (He et al. 2021; transformers, DisentangledSelfAttention with share_att_key):
 * score[i, j] = (qᵢ·kⱼ + qᵢ·pos_key[δ(i-j)] + kⱼ·pos_query[δ(i-j)]) / √(terms · d_head).
 *
 * Hidden states are position-major, [L·B, d]: as [L, B, H, d_head] a FusedMatMul takes heads as its batch without any
 * transposition.
 */
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { type LayerLinear, layerModule } from '../checkpoint/names.js';
import {
  add,
  floats,
  gather,
  input,
  matmul,
  multiply,
  reduceSum,
  reshape,
  slice,
  softmax,
  transpose,
} from './build.js';
import type { Branches, Rows } from './branches.js';
import { type Dim, mul, sub } from './dims.js';
import { type Linears, float32Linears } from './linears.js';
import { skew } from './relative.js';
import type { Value } from './value.js';
import type { Weights } from './weights.js';

export const FALLING = 'distances_falling';
export const RISING = 'distances_rising';
export const KEY_BIAS = 'key_bias';
const QUERY: LayerLinear = 'attention.self.query_proj';
const KEY: LayerLinear = 'attention.self.key_proj';
const VALUE: LayerLinear = 'attention.self.value_proj';
const TWICE_L = mul(2, 'L');

export interface LayerContext {
  readonly config: DebertaConfig;
  readonly weights: Weights;
  readonly linears: Linears;
  readonly branches: Branches;
  /** Normalised relative embeddings, [2·span, d]. */
  readonly relative: Value;
  readonly layer: number;
}

const ALL: Rows = { tokens: 'L', batch: 'B' };
const FIRST: Rows = { tokens: 1, batch: 'B' };

/** x [L·B, d] → the context vectors of every position, [L·B, d]. */
export function attention(at: LayerContext, x: Value): Value {
  const q = heads(at, project(at, QUERY, x, ALL), ALL);
  const k = heads(at, project(at, KEY, x, ALL), ALL);
  const scores = [matmul(q, k, { transBatchA: 1, transBatchB: 1, transB: 1, alpha: scale(at) })];
  if (at.config.c2p) scores.push(shifted(at, q, positions(at, KEY, FALLING)));
  if (at.config.p2c) scores.push(transpose(shifted(at, k, positions(at, QUERY, RISING)), [0, 1, 3, 2]));
  return mixed(at, scores, x, ALL);
}

/** x [L·B, d] → the context vectors of the first position alone, [B, d]: all that the last layer is asked for. */
export function firstRowAttention(at: LayerContext, x: Value): Value {
  const q = heads(at, project(at, QUERY, slice(x, 0, 0, 'B'), FIRST), FIRST);
  const k = heads(at, project(at, KEY, x, ALL), ALL);
  const fromZero = (p: Value): Value => slice(p, 0, sub('L', 1), 'L'); // the distances 0, -1 … -(L-1)
  const scores = [matmul(q, k, { transBatchA: 1, transBatchB: 1, transB: 1, alpha: scale(at) })];
  if (at.config.c2p) scores.push(against(at, q, fromZero(positions(at, KEY, FALLING))));
  if (at.config.p2c) {
    const products = multiply(k, multiply(fromZero(positions(at, QUERY, FALLING)), floats([scale(at)], [1])));
    scores.push(reshape(transpose(reduceSum(products, 3), [1, 2, 0]), 'B', at.config.heads, 1, 'L'));
  }
  return mixed(at, scores, x, FIRST);
}

function mixed(at: LayerContext, scores: readonly Value[], x: Value, rows: Rows): Value {
  const v = heads(at, project(at, VALUE, x, ALL), ALL);
  const biased = add(scores.reduce(add), input(KEY_BIAS, 'float32', ['B', 1, 1, 'L']));
  const context = matmul(softmax(biased), v, { transBatchB: 1 }); // [B, H, rows, d_head]
  return reshape(transpose(context, [2, 0, 1, 3]), mul(rows.tokens, rows.batch), at.config.hiddenSize);
}

function project({ linears, branches, layer }: LayerContext, linear: LayerLinear, x: Value, rows: Rows): Value {
  return branches.linear(layer, linear, x, linears(layerModule(layer, linear), x), rows);
}

const heads = ({ config }: LayerContext, x: Value, { tokens, batch }: Rows): Value =>
  reshape(x, tokens, batch, config.heads, config.headSize);

/** x · pos for all distances, skewed so that column j of row i holds the distance i - j. */
const shifted = (at: LayerContext, x: Value, pos: Value): Value => skew(against(at, x, pos), 'B', at.config.heads, 'L');

/** x [rows, B, H, d_head] against pos [n, 1 or B, H, d_head] → [B, H, rows, n]. */
const against = (at: LayerContext, x: Value, pos: Value): Value =>
  matmul(x, pos, { transBatchA: 1, transBatchB: 1, transB: 1, alpha: scale(at) });

/** Projected relative embeddings by distance, [2L, 1 or B, H, d_head]; the base's part is constant, and folded at load. */
function positions(
  { config, weights, branches, relative, layer }: LayerContext,
  linear: LayerLinear,
  order: string,
): Value {
  const rows = input(order, 'int32', [TWICE_L]);
  const table = float32Linears(weights)(layerModule(layer, linear), relative);
  const pos = branches.shared(
    layer,
    linear,
    gather(relative, rows),
    gather(table, rows),
    order === FALLING ? 'falling' : 'rising',
  );
  const batch: Dim = pos.shape[1]!;
  return reshape(pos, TWICE_L, batch, config.heads, config.headSize);
}

const scale = ({ config }: LayerContext): number =>
  1 / Math.sqrt(config.headSize * (1 + Number(config.c2p) + Number(config.p2c)));
