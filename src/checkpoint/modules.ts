/** The Linears of a checkpoint: what GET /model/modules lists, and which of them LoRA may adapt. */
import type { DebertaConfig } from './config.js';
import { CLASSIFIER, EMBED_PROJECTION, LAYER_LINEARS, POOLER, layerModule, linearShape } from './names.js';

export interface LinearModule {
  readonly name: string;
  /** [out_features, in_features] */
  readonly shape: readonly [number, number];
  readonly lora_target: boolean;
  readonly why_not: string | null;
}

/** Every Linear, in the order of computation. */
export function linearModules(config: DebertaConfig): LinearModule[] {
  const { hiddenSize, embeddingSize, id2label, layers } = config;
  const projection = [hiddenSize, embeddingSize] as const;
  return [
    ...(embeddingSize === hiddenSize
      ? []
      : [
          frozen(
            EMBED_PROJECTION.replace(/\.weight$/, ''),
            projection,
            'only Linears of the encoder layers are adapted',
          ),
        ]),
    ...Array.from({ length: layers }, (_, layer) => layerModules(config, layer)).flat(),
    frozen(POOLER, [hiddenSize, hiddenSize], 'only Linears of the encoder layers are adapted'),
    frozen(CLASSIFIER, [id2label.length, hiddenSize], 'it is the head, which every adapter replaces as a whole'),
  ];
}

const layerModules = (config: DebertaConfig, layer: number): LinearModule[] =>
  LAYER_LINEARS.map((linear) => ({
    name: layerModule(layer, linear),
    shape: linearShape(config, linear),
    lora_target: true,
    why_not: null,
  }));

const frozen = (name: string, shape: readonly [number, number], why_not: string): LinearModule => ({
  name,
  shape,
  lora_target: false,
  why_not,
});
