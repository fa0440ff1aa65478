/**
 * The forward graph of a DeBERTa-v2/v3 sequence classifier (reference: transformers,
 * models/deberta_v2/modeling_deberta_v2.py), with an adapter of `shape` as inputs.
 *
 * Inputs, for B sequences of L tokens: input_ids int32 [L·B] position-major, token_mask [L·B, 1] and key_bias
 * [B, 1, 1, L] (0, or very negative on padding), distances_falling and distances_rising int32 [2L] (relativeRows).
 * Output: logits [B, labels].
 */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import {
  EMBEDDINGS,
  EMBED_PROJECTION,
  ENCODER,
  POOLER,
  RELATIVE_EMBEDDINGS,
  WORD_EMBEDDINGS,
  layerModule,
} from '../checkpoint/names.js';
import type { AdapterShape } from './adapter-shape.js';
import { type LayerContext, attention, firstRowAttention } from './attention.js';
import { type Branches, type Dropout, type Rows, branches } from './branches.js';
import { add, cast, gather, gelu, gemm, input, layerNorm, multiply, slice } from './build.js';
import { mul } from './dims.js';
import { type Linears, float32Linears } from './linears.js';
import type { Value } from './value.js';
import { type Weights, stored, weightsOf } from './weights.js';

export const INPUT_IDS = 'input_ids';
export const TOKEN_MASK = 'token_mask';
export const HIDDEN_STATES = 'hidden_states';

export interface ForwardOptions {
  /** Of the frozen Linears; float32 by default. */
  readonly linears?: Linears;
  readonly dropout?: Dropout;
  /** The first layer that is computed: its input is then fed as `hidden_states` (lowerLayers), [L·B, d]. */
  readonly from?: number;
}

export function forward(
  checkpoint: Checkpoint,
  shape: AdapterShape | null,
  { dropout, linears = float32Linears(weightsOf(checkpoint)), from = 0 }: ForwardOptions = {},
): { logits: Value } {
  const { config } = checkpoint;
  const branch = branches(config, weightsOf(checkpoint), shape, dropout);
  const x = from === 0 ? embeddings(checkpoint) : input(HIDDEN_STATES, 'float32', [mul('L', 'B'), config.hiddenSize]);
  const last = layers({ checkpoint, branch, linears, from, to: config.layers }, x);
  return { logits: branch.head(gelu(linears(POOLER, last))) };
}

/** The hidden states that layer `to` begins with, [L·B, d], of the base model alone. */
export function lowerLayers(checkpoint: Checkpoint, to: number, linears: Linears): { hidden_states: Value } {
  const branch = branches(checkpoint.config, weightsOf(checkpoint), null);
  return { hidden_states: layers({ checkpoint, branch, linears, from: 0, to }, embeddings(checkpoint)) };
}

interface Layers {
  readonly checkpoint: Checkpoint;
  readonly branch: Branches;
  readonly linears: Linears;
  readonly from: number;
  readonly to: number;
}

function layers({ checkpoint, branch, linears, from, to }: Layers, x: Value): Value {
  const { config } = checkpoint;
  const weights = weightsOf(checkpoint);
  const relative = relativeEmbeddings(checkpoint, weights);
  let states = x;
  for (let layer = from; layer < to; layer++)
    states = encoderLayer({ config, weights, linears, branches: branch, relative, layer }, states);
  return states;
}

function embeddings(checkpoint: Checkpoint): Value {
  const { config } = checkpoint;
  const weights = weightsOf(checkpoint);
  const ids = input(INPUT_IDS, 'int32', [mul('L', 'B')]);
  const words = cast(gather(stored(checkpoint, WORD_EMBEDDINGS), ids), 'float32'); // [L·B, e]
  const wide =
    config.embeddingSize === config.hiddenSize ? words : gemm(words, weights(EMBED_PROJECTION), null, { transB: 1 });
  return multiply(
    norm(config, weights, `${EMBEDDINGS}.LayerNorm`, wide),
    input(TOKEN_MASK, 'float32', [mul('L', 'B'), 1]),
  );
}

function relativeEmbeddings({ config }: Checkpoint, weights: Weights): Value {
  const table = weights(RELATIVE_EMBEDDINGS);
  return config.normaliseRelative ? norm(config, weights, `${ENCODER}.LayerNorm`, table) : table;
}

/** The last layer is computed for the first position only: the pooler reads no other. */
function encoderLayer(at: LayerContext, x: Value): Value {
  const last = at.layer === at.config.layers - 1;
  const rows: Rows = { tokens: last ? 1 : 'L', batch: 'B' };
  const residual = last ? slice(x, 0, 0, 'B') : x;
  const context = last ? firstRowAttention(at, x) : attention(at, x);
  const attended = addAndNorm(at, 'attention.output', context, residual, rows);
  const inner = gelu(dense(at, 'intermediate.dense', attended, rows));
  return addAndNorm(at, 'output', inner, attended, rows);
}

function addAndNorm(
  at: LayerContext,
  block: 'attention.output' | 'output',
  x: Value,
  residual: Value,
  rows: Rows,
): Value {
  const sum = add(dense(at, `${block}.dense`, x, rows), residual);
  return norm(at.config, at.weights, layerModule(at.layer, `${block}.LayerNorm`), sum);
}

type Dense = 'attention.output.dense' | 'intermediate.dense' | 'output.dense';

const dense = ({ linears, branches: branch, layer }: LayerContext, linear: Dense, x: Value, rows: Rows): Value =>
  branch.linear(layer, linear, x, linears(layerModule(layer, linear), x), rows);

const norm = ({ layerNormEpsilon }: LayerContext['config'], weights: Weights, module: string, x: Value): Value =>
  layerNorm(x, weights(`${module}.weight`), weights(`${module}.bias`), layerNormEpsilon);
