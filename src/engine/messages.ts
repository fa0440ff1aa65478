/** All that crosses between the engine and its inference children (IPC with serialization 'advanced'). */
import type { Checkpoint } from '../checkpoint/checkpoint.js';

export interface OpenMessage {
  readonly kind: 'open';
  readonly checkpoint: Checkpoint;
  /** Threads of the everyday session, and of the one for a lone small batch (0: none). */
  readonly threads: number;
  readonly wideThreads: number;
}

export interface BatchMessage {
  readonly kind: 'batch';
  readonly id: number;
  /** Token ids of all rows, one after the other, and the length of each. */
  readonly ids: Int32Array;
  readonly lengths: Int32Array;
  readonly wide: boolean;
}

export type ToChild = OpenMessage | BatchMessage;

export interface ReadyMessage {
  readonly kind: 'ready';
  /** Measured with the everyday session. */
  readonly tokensPerSecond: number;
}

export interface ResultMessage {
  readonly kind: 'result';
  readonly id: number;
  /** [rows · labels] */
  readonly logits: Float32Array;
}

/** The batch could not be run; the child lives on. */
export interface FailureMessage {
  readonly kind: 'failure';
  readonly id: number;
  readonly reason: string;
}

/** The child could not open the checkpoint and ends. */
export interface BrokenMessage {
  readonly kind: 'broken';
  readonly reason: string;
}

export type FromChild = ReadyMessage | ResultMessage | FailureMessage | BrokenMessage;
