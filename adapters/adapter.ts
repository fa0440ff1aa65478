/** What an adapter is once it is read. */
import type { LayerLinear } from '../src/checkpoint/names.js';
import type { PeftConfig } from './peft-config.js';

export interface LoraModule {
  readonly linear: LayerLinear;
  readonly rank: number;
  /** alpha / r, or alpha / √r under rsLoRA. */
  readonly scale: number;
  /** [rank, in] and [out, rank], row-major. */
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export interface Adapter {
  /** SHA-256 of the weights file and of each module's rank and scale, in hex: what decides the answers, and nothing else. */
  readonly digest: string;
  readonly config: PeftConfig;
  /** By the module's name in the checkpoint. */
  readonly modules: ReadonlyMap<string, LoraModule>;
  readonly head: { readonly weight: Float32Array; readonly bias: Float32Array };
}
