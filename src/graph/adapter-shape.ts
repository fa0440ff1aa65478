/** What of an adapter decides the graph: few sets of targets and few ranks, so that there are few graphs. */
import { LAYER_LINEARS, type LayerLinear } from '../checkpoint/names.js';

export const TARGET_SETS = {
  'query-value': ['attention.self.query_proj', 'attention.self.value_proj'],
  attention: LAYER_LINEARS.slice(0, 4),
  all: LAYER_LINEARS,
} as const satisfies Record<string, readonly LayerLinear[]>;
export type TargetSet = keyof typeof TARGET_SETS;

/** An adapter of another rank is padded with zeros to the next. */
export const RANKS = [8, 16, 32, 64] as const;
export type Rank = (typeof RANKS)[number];

/** `bank`: every row of a batch names its own adapter out of several. */
export interface AdapterShape {
  readonly targets: TargetSet;
  readonly rank: Rank;
  readonly bank: boolean;
}

export const isTarget = (shape: AdapterShape, linear: LayerLinear): boolean =>
  (TARGET_SETS[shape.targets] as readonly LayerLinear[]).includes(linear);

/** Names of the graph's adapter inputs. */
export const loraInput = (module: string, side: 'A' | 'B'): string => `${module}.lora_${side}`;
export const HEAD_WEIGHT = 'head.classifier.weight';
export const HEAD_BIAS = 'head.classifier.bias';
export const ADAPTER_OF_ROW = 'adapter_of_row';
