/** The tensor names of a DeBERTa-v2/v3 sequence classifier (transformers, models/deberta_v2/modeling_deberta_v2.py). */
import type { DebertaConfig } from './config.js';

export const EMBEDDINGS = 'deberta.embeddings';
export const ENCODER = 'deberta.encoder';
export const POOLER = 'pooler.dense';
export const CLASSIFIER = 'classifier';
export const WORD_EMBEDDINGS = `${EMBEDDINGS}.word_embeddings.weight`;
export const EMBED_PROJECTION = `${EMBEDDINGS}.embed_proj.weight`;
export const RELATIVE_EMBEDDINGS = `${ENCODER}.rel_embeddings.weight`;

/** The Linears of a layer, in the order of computation: what LoRA may target. */
export const LAYER_LINEARS = [
  'attention.self.query_proj',
  'attention.self.key_proj',
  'attention.self.value_proj',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
] as const;
export type LayerLinear = (typeof LAYER_LINEARS)[number];

export const LAYER_NORMS = ['attention.output.LayerNorm', 'output.LayerNorm'] as const;

export const layerModule = (layer: number, module: string): string => `${ENCODER}.layer.${layer}.${module}`;

/** [out, in] of a layer's Linear. */
export function linearShape(config: DebertaConfig, module: LayerLinear): readonly [number, number] {
  const { hiddenSize, intermediateSize } = config;
  if (module === 'intermediate.dense') return [intermediateSize, hiddenSize];
  if (module === 'output.dense') return [hiddenSize, intermediateSize];
  return [hiddenSize, hiddenSize];
}

/** Every tensor the forward graph reads, with the shape config.json implies. */
export function* expectedShapes(config: DebertaConfig): Generator<readonly [string, readonly number[]]> {
  const { hiddenSize, embeddingSize, layers, relativeSpan, vocabSize, id2label } = config;
  yield [WORD_EMBEDDINGS, [vocabSize, embeddingSize]];
  if (embeddingSize !== hiddenSize) yield [EMBED_PROJECTION, [hiddenSize, embeddingSize]];
  yield* norm(`${EMBEDDINGS}.LayerNorm`, hiddenSize);
  yield [RELATIVE_EMBEDDINGS, [2 * relativeSpan, hiddenSize]];
  if (config.normaliseRelative) yield* norm(`${ENCODER}.LayerNorm`, hiddenSize);
  for (let layer = 0; layer < layers; layer++) yield* layerShapes(config, layer);
  yield* linear(POOLER, [hiddenSize, hiddenSize]);
  yield* linear(CLASSIFIER, [id2label.length, hiddenSize]);
}

function* layerShapes(config: DebertaConfig, layer: number): Generator<readonly [string, readonly number[]]> {
  for (const name of LAYER_LINEARS) yield* linear(layerModule(layer, name), linearShape(config, name));
  for (const name of LAYER_NORMS) yield* norm(layerModule(layer, name), config.hiddenSize);
}

function* linear(name: string, shape: readonly [number, number]): Generator<readonly [string, readonly number[]]> {
  yield [`${name}.weight`, shape];
  yield [`${name}.bias`, [shape[0]]];
}

function* norm(name: string, width: number): Generator<readonly [string, readonly number[]]> {
  yield [`${name}.weight`, [width]];
  yield [`${name}.bias`, [width]];
}
