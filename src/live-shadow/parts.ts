/** What a live shadow needs of its surroundings. */
import type { RegistryParts } from '../../adapters/registry.js';
import type { Engine } from '../engine/engine.js';
import type { HeldAdapters } from '../held-adapters.js';
import type { CheckpointLabel } from '../labels.js';
import type { Log } from '../log.js';
import type { Outcome } from './notes.js';

export interface LiveShadowParts extends Pick<RegistryParts, 'database' | 'base' | 'now'> {
  readonly engine: Pick<Engine, 'mix' | 'unmix'>;
  readonly held: Pick<HeldAdapters, 'use' | 'keep' | 'isUsable'>;
  /** What each logit stands for. */
  readonly labels: readonly CheckpointLabel[];
  /** Uniform in [0, 1): decides which pairs are sampled. */
  readonly random: () => number;
  readonly counted: (outcome: Outcome, pairs: number) => void;
  readonly log: Pick<Log, 'info' | 'error'>;
}
