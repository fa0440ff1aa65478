/**
 * LoRA branches (Hu et al. 2021), y = x·Wᵀ + b + (x·Aᵀ)·Bᵀ, in three forms: none, one adapter for the whole batch, and a
 * bank from which every row of the batch takes its own. A and B are inputs of the graph, so that one session serves
 * every adapter; B is fed scaled by alpha / r.
 */
import { CLASSIFIER, type LayerLinear, layerModule, linearShape } from '../checkpoint/names.js';
import type { DebertaConfig } from '../checkpoint/checkpoint.js';
import { ADAPTER_OF_ROW, type AdapterShape, HEAD_BIAS, HEAD_WEIGHT, isTarget, loraInput } from './adapter-shape.js';
import { add, gather, gemm, input, matmul, reshape, times, transpose } from './build.js';
import { type DimLike, mul } from './dims.js';
import type { Value } from './value.js';
import type { Weights } from './weights.js';

/** x holds `tokens` positions of `batch` sequences, position-major. */
export interface Rows {
  readonly tokens: DimLike;
  readonly batch: DimLike;
}

export interface Branches {
  /** base + branch, both [tokens·batch, out], for x [tokens·batch, in]. */
  readonly linear: (layer: number, linear: LayerLinear, x: Value, base: Value, rows: Rows) => Value;
  /** The same for rows [n, in] that all sequences share (relative embeddings): [n, 1 or batch, out]. */
  readonly shared: (layer: number, linear: LayerLinear, x: Value, base: Value, order: 'falling' | 'rising') => Value;
  /** pooled [batch, d] → logits [batch, labels]. */
  readonly head: (pooled: Value) => Value;
}

/** What the rows of a branch's input stand for: positions of sequences, or distances in falling or rising order. */
export type DropoutRows = 'tokens' | 'falling' | 'rising';
/** The input of a branch alone, with dropout: the base's Linear sees x as it is. */
export type Dropout = (layer: number, linear: LayerLinear, x: Value, rows: DropoutRows) => Value;

/** Dropout is for training, so for a single adapter. */
export function branches(
  config: DebertaConfig,
  weights: Weights,
  shape: AdapterShape | null,
  dropout: Dropout = (_layer, _linear, x) => x,
): Branches {
  if (!shape) return none(weights);
  return shape.bank ? bank(config, shape) : single(config, shape, dropout);
}

const none = (weights: Weights): Branches => ({
  linear: (_layer, _linear, _x, base) => base,
  shared: (_layer, _linear, _x, base) => shareable(base),
  head: (pooled) => gemm(pooled, weights(`${CLASSIFIER}.weight`), weights(`${CLASSIFIER}.bias`), { transB: 1 }),
});

function single(config: DebertaConfig, shape: AdapterShape, dropout: Dropout): Branches {
  const classes = config.id2label.length;
  const branch = (layer: number, linear: LayerLinear, x: Value, base: Value, rows: DropoutRows): Value => {
    if (!isTarget(shape, linear)) return base;
    const [a, b] = loraInputs(config, shape, layer, linear);
    const down = gemm(dropout(layer, linear, x, rows), a, null, { transB: 1, alpha: HALF });
    return gemm(down, b, base, { transB: 1, alpha: 1 / HALF });
  };
  return {
    linear: (layer, linear, x, base) => branch(layer, linear, x, base, 'tokens'),
    shared: (layer, linear, x, base, order) => shareable(branch(layer, linear, x, base, order)),
    head: (pooled) => {
      const w = input(HEAD_WEIGHT, 'float32', [classes, config.hiddenSize]);
      return gemm(times(pooled, HALF), w, input(HEAD_BIAS, 'float32', [classes]), { transB: 1, alpha: 1 / HALF });
    },
  };
}

/**
 * onnxruntime multiplies a single row by another kernel, which sums in another order, unless alpha is not 1. A power of
 * two changes no digit: so a row's answer is the same to the bit whether it is alone or in a batch.
 */
const HALF = 0.5;

function bank(config: DebertaConfig, shape: AdapterShape): Branches {
  const classes = config.id2label.length;
  const up = (layer: number, linear: LayerLinear, x: Value): Value => {
    const [a, b] = loraInputs(config, shape, layer, linear).map(ofRow) as [Value, Value];
    const down = matmul(x, a, { transBatchA: 1, transB: 1 }); // [batch, n, r]
    return transpose(matmul(down, b, { transB: 1 }), [1, 0, 2]); // [n, batch, out]
  };
  return {
    linear: (layer, linear, x, base, { tokens, batch }) => {
      if (!isTarget(shape, linear)) return base;
      const branch = up(layer, linear, reshape(x, tokens, batch, x.shape[1]!));
      return add(base, reshape(branch, mul(tokens, batch), base.shape[1]!));
    },
    shared: (layer, linear, x, base) =>
      isTarget(shape, linear) ? add(shareable(base), up(layer, linear, shareable(x))) : shareable(base),
    head: (pooled) => {
      const w = ofRow(input(HEAD_WEIGHT, 'float32', ['N', classes, config.hiddenSize])); // [batch, labels, d]
      const b = ofRow(input(HEAD_BIAS, 'float32', ['N', classes]));
      const rows = reshape(pooled, pooled.shape[0]!, 1, config.hiddenSize);
      return add(reshape(matmul(rows, w, { transB: 1 }), pooled.shape[0]!, classes), b);
    },
  };
}

/** A [r, in] and B [out, r], with a leading axis N of adapters in a bank. */
function loraInputs(config: DebertaConfig, shape: AdapterShape, layer: number, linear: LayerLinear): [Value, Value] {
  const [out, inner] = linearShape(config, linear);
  const module = layerModule(layer, linear);
  const leading = shape.bank ? ['N'] : [];
  return [
    input(loraInput(module, 'A'), 'float32', [...leading, shape.rank, inner]),
    input(loraInput(module, 'B'), 'float32', [...leading, out, shape.rank]),
  ];
}

const ofRow = (tensors: Value): Value => gather(tensors, input(ADAPTER_OF_ROW, 'int32', ['B']));

const shareable = (x: Value): Value => reshape(x, x.shape[0]!, 1, x.shape[1]!);
