/** DisentangledSelfAttention with share_att_key (modeling_deberta_v2.py), operator by operator. */
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { layerModule } from '../../src/checkpoint/names.js';
import type { Linears } from './hf-linears.js';
import type { Places } from './hf-positions.js';
import type { GraphWriter } from './onnx-writer.js';

const LOWEST = -3.4028234663852886e38;

export interface AttentionParts {
  readonly g: GraphWriter;
  readonly config: DebertaConfig;
  readonly linears: Linears;
  readonly masked: string;
  /** [1, 2·span, hidden] */
  readonly relative: string;
  readonly places: Places;
  readonly layer: number;
}

/** x [B, L, hidden] → the context vectors, of the same shape. */
export function attention(at: AttentionParts, x: string): string {
  const { g, config, masked, places } = at;
  const perHead = g.op('Concat', [g.ints(-1), places.tokens, g.ints(config.headSize)], { axis: 0 });
  const [q, k, v] = ['query', 'key', 'value'].map((name) => heads(at, x, name, perHead)) as [string, string, string];
  const content = g.op('MatMul', [q, g.op('Div', [lastTwoSwapped(g, k), scale(at)])]);
  const scores = g.op('Add', [content, bias(at, q, k)]);
  const square = g.op('Concat', [g.ints(-1, config.heads), places.tokens, places.tokens], { axis: 0 });
  const filled = g.op('Where', [masked, g.float(LOWEST), g.op('Reshape', [scores, square])]);
  const shares = g.op('Reshape', [
    g.op('Softmax', [filled], { axis: -1 }),
    g.op('Concat', [g.ints(-1), places.tokens, places.tokens], { axis: 0 }),
  ]);
  return merged(at, g.op('MatMul', [shares, v]));
}

/** disentangled_attention_bias: the whole table scored, then gathered from. */
function bias(at: AttentionParts, q: string, k: string): string {
  const { g, config, places } = at;
  const terms: string[] = [];
  if (config.c2p) terms.push(against(at, q, 'key', places.c2p));
  if (config.p2c) terms.push(lastTwoSwapped(g, against(at, k, 'query', places.p2c)));
  const scaled = terms.map((term) => g.op('Div', [term, scale(at)]));
  return scaled.reduce((a, b) => g.op('Add', [a, b]));
}

function against(at: AttentionParts, x: string, projection: string, place: string): string {
  const { g } = at;
  const products = g.op('MatMul', [x, lastTwoSwapped(g, repeated(at, projection))]);
  return g.op('GatherElements', [products, place], { axis: 2 });
}

/** The relative embeddings projected, once for each row of the batch: [B · heads, 2·span, d_head]. */
function repeated(at: AttentionParts, projection: string): string {
  const { g, config, places, relative } = at;
  const one = heads(at, relative, projection, g.ints(-1, 2 * config.relativeSpan, config.headSize));
  return g.op('Tile', [one, g.op('Concat', [places.rows, g.ints(1, 1)], { axis: 0 })]);
}

/** transpose_for_scores: [n, rows, hidden] → [n · heads, rows, d_head]. */
function heads({ g, config, linears, layer }: AttentionParts, x: string, projection: string, shape: string): string {
  const all = linears.linear(x, layerModule(layer, `attention.self.${projection}_proj`));
  const split = g.op('Reshape', [all, g.ints(0, 0, config.heads, -1)]);
  return g.op('Reshape', [g.op('Transpose', [split], { perm: [0, 2, 1, 3] }), shape]);
}

function merged({ g, config, places }: AttentionParts, context: string): string {
  const shape = g.op('Concat', [g.ints(-1, config.heads), places.tokens, g.ints(config.headSize)], { axis: 0 });
  const split = g.op('Transpose', [g.op('Reshape', [context, shape])], { perm: [0, 2, 1, 3] });
  return g.op('Reshape', [split, g.ints(0, 0, -1)]);
}

const lastTwoSwapped = (g: GraphWriter, x: string): string => g.op('Transpose', [x], { perm: [0, 2, 1] });

const scale = ({ g, config }: AttentionParts): string =>
  g.float(Math.fround(Math.sqrt(config.headSize * (1 + Number(config.c2p) + Number(config.p2c)))));
