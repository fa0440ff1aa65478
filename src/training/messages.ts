/** All that crosses between a training run and its gradient children (IPC with serialization 'advanced'). */
import type { MicroBatch, MicroResult } from './micro-batch.js';
import type { TrainingOptions } from './session.js';

export interface OpenMessage {
  readonly kind: 'open';
  readonly options: TrainingOptions;
}

export interface WorkMessage {
  readonly kind: 'work';
  readonly parameters: Float32Array;
  readonly micros: readonly MicroBatch[];
  readonly step: number;
}

export type ToChild = OpenMessage | WorkMessage;

export interface ReadyMessage {
  readonly kind: 'ready';
}

/** One for each micro-batch, in their order. */
export interface ResultsMessage {
  readonly kind: 'results';
  readonly results: readonly MicroResult[];
}

/** The child could not do what it was asked, and ends. */
export interface BrokenMessage {
  readonly kind: 'broken';
  readonly reason: string;
}

export type FromChild = ReadyMessage | ResultsMessage | BrokenMessage;
