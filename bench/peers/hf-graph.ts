/**
 * Our stand-in for the file that torch.onnx.export makes of transformers' DebertaV2ForSequenceClassification
 * (modeling_deberta_v2.py, opset 17), for machines without PyTorch: the same operators on tensors of the same shapes, every
 * relative row scored and gathered from, every layer's relative part repeated for each row of the batch. Kinder than the
 * exporter in one respect: shapes, relative positions and scales are computed once, not again in each layer.
 */
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import {
  CLASSIFIER,
  EMBEDDINGS,
  ENCODER,
  POOLER,
  RELATIVE_EMBEDDINGS,
  WORD_EMBEDDINGS,
  layerModule,
} from '../../src/checkpoint/names.js';
import { type AttentionParts, attention } from './hf-attention.js';
import { type Linears, type Read, float32Linears, quantisedLinears } from './hf-linears.js';
import { attentionMask, relativePositions } from './hf-positions.js';
import { GraphWriter } from './onnx-writer.js';

export type PeerPrecision = 'fp32' | 'q8';

/** Inputs input_ids and attention_mask, int64 [batch, tokens]; output logits [batch, labels]. */
export function hfGraph(config: DebertaConfig, read: Read, precision: PeerPrecision): Uint8Array {
  if (config.embeddingSize !== config.hiddenSize) throw new RangeError('embeddings must be as wide as hidden states');
  const g = new GraphWriter();
  const linears = precision === 'fp32' ? float32Linears(g, read) : quantisedLinears(g, read);
  const ids = g.input('input_ids', 'int64', ['batch', 'tokens']);
  const mask = g.input('attention_mask', 'int64', ['batch', 'tokens']);
  const norm = normOf(g, config, read);
  const parts = { g, config, linears, masked: attentionMask(g, mask), relative: relativeEmbeddings(g, config, read) };
  let x = embeddings(parts, norm, ids, mask);
  const places = relativePositions(g, config, ids);
  for (let layer = 0; layer < config.layers; layer++) x = encoderLayer({ ...parts, places, layer }, norm, x);
  const first = g.op('Gather', [x, g.int(0)], { axis: 1 });
  linears.flat(gelu(g, linears.flat(first, POOLER)), CLASSIFIER, 'logits');
  g.output('logits', 'float32', ['batch', config.id2label.length]);
  return g.finish();
}

type Norm = (x: string, module: string) => string;

const normOf =
  (g: GraphWriter, { layerNormEpsilon }: DebertaConfig, read: Read): Norm =>
  (x, module) => {
    const [gamma, beta] = [`${module}.weight`, `${module}.bias`].map((name) => g.tensor(name, () => read(name)));
    return g.op('LayerNormalization', [x, gamma!, beta!], { axis: -1, epsilon: layerNormEpsilon });
  };

interface Common {
  readonly g: GraphWriter;
  readonly linears: Linears;
}

function embeddings({ g, linears }: Common, norm: Norm, ids: string, mask: string): string {
  const words = linears.embedding(WORD_EMBEDDINGS, ids);
  const real = g.op('Cast', [g.op('Unsqueeze', [mask, g.ints(2)])], { to: 'float32' });
  return g.op('Mul', [norm(words, `${EMBEDDINGS}.LayerNorm`), real]);
}

/** [1, 2·span, hidden] */
function relativeEmbeddings(g: GraphWriter, config: DebertaConfig, read: Read): string {
  const table = g.tensor(RELATIVE_EMBEDDINGS, () => read(RELATIVE_EMBEDDINGS));
  const rows = config.normaliseRelative ? normOf(g, config, read)(table, `${ENCODER}.LayerNorm`) : table;
  return g.op('Unsqueeze', [rows, g.ints(0)]);
}

function encoderLayer(at: AttentionParts, norm: Norm, x: string): string {
  const { g, linears, layer } = at;
  const module = (name: string): string => layerModule(layer, name);
  const projected = linears.linear(attention(at, x), module('attention.output.dense'));
  const attended = norm(g.op('Add', [projected, x]), module('attention.output.LayerNorm'));
  const inner = gelu(g, linears.linear(attended, module('intermediate.dense')));
  return norm(g.op('Add', [linears.linear(inner, module('output.dense')), attended]), module('output.LayerNorm'));
}

/** x · (1 + erf(x / √2)) · ½, as the exporter takes it apart. */
function gelu(g: GraphWriter, x: string): string {
  const error = g.op('Erf', [g.op('Div', [x, g.float(Math.SQRT2)])]);
  return g.op('Mul', [g.op('Mul', [x, g.op('Add', [error, g.float(1)])]), g.float(0.5)]);
}
