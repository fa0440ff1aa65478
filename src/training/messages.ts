/**
 * All that crosses between the processes of a training run (IPC with serialization 'advanced'): the supervisor starts
 * the run's child, which holds the loop and starts the gradient children.
 */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { LayerLinear } from '../checkpoint/names.js';
import type { TrainingPrecision } from '../recipe.js';
import type { LoopParameters, StepReport } from './loop.js';
import type { MicroBatch, MicroResult } from './micro-batch.js';
import type { SavedState } from './saved-state.js';
import type { TrainingOptions } from './session.js';

export interface TrainingRows {
  /** Token ids of all rows, one after the other, and the length of each. */
  readonly ids: Int32Array;
  readonly lengths: Int32Array;
  /** Of each row, the place of its right label in the checkpoint's order. */
  readonly labels: Int32Array;
}

export interface TrainingSetup extends LoopParameters {
  readonly r: number;
  readonly lora_alpha: number;
  readonly lora_dropout: number;
  readonly linears: readonly LayerLinear[];
  readonly layers_to_transform: readonly number[] | null;
  readonly precision: TrainingPrecision;
}

/** What a run's child is to do. */
export interface Job {
  /** What saved states must belong to. */
  readonly digest: string;
  readonly checkpoint: Checkpoint;
  readonly setup: TrainingSetup;
  readonly rows: TrainingRows;
  /** Where states are kept; it is there. */
  readonly directory: string;
  /** What the run may go on from, the newest first. */
  readonly states: readonly SavedState[];
  /** Processes that compute gradients. */
  readonly children: number;
}

export interface StartMessage {
  readonly kind: 'start';
  readonly job: Job;
}

export interface StartedMessage {
  readonly kind: 'started';
  /** Epochs done before, which a saved state gave. */
  readonly epoch: number;
  /** The run's child and its gradient children. */
  readonly pids: readonly number[];
  /** Why float32 is used although integers were asked for; null: what was asked for is used. */
  readonly fallback: string | null;
}

export interface StepMessage extends StepReport {
  readonly kind: 'step';
  readonly samples_per_second: number;
  readonly seconds_left: number;
}

/** The epoch's state is on the disk. */
export interface EpochMessage extends SavedState {
  readonly kind: 'epoch';
}

/** The disk has no room for the epoch's state: the child tries again and again. */
export interface WaitingMessage {
  readonly kind: 'waiting';
  readonly epoch: number;
  readonly reason: string;
}

/** The child's own thread turns, and something has moved lately. */
export interface AliveMessage {
  readonly kind: 'alive';
}

export interface TrainedMessage {
  readonly kind: 'trained';
  /** In the order of parameterLayout. */
  readonly parameters: Float32Array;
}

/** Would fail again at the same place: the data and the recipe lead there. */
export interface FailedMessage {
  readonly kind: 'failed';
  readonly reason: string;
}

/** Something failed or died under the run; it may be tried again. */
export interface BrokenMessage {
  readonly kind: 'broken';
  readonly reason: string;
}

export type ProgressMessage = StartedMessage | StepMessage | EpochMessage | WaitingMessage;
export type LastMessage = TrainedMessage | FailedMessage | BrokenMessage;
export type FromRunChild = ProgressMessage | AliveMessage | LastMessage;

/** The first message to a gradient child. */
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

export type ToGradientChild = OpenMessage | WorkMessage;

export interface ReadyMessage {
  readonly kind: 'ready';
}

/** One for each micro-batch, in their order. */
export interface ResultsMessage {
  readonly kind: 'results';
  readonly results: readonly MicroResult[];
}

/** A gradient child's BrokenMessage: it could not do what it was asked, and ends. */
export type FromGradientChild = ReadyMessage | ResultsMessage | BrokenMessage;
