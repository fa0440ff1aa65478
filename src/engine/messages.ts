/** All that crosses between the engine and its inference children (IPC with serialization 'advanced'). */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import type { Precision } from '../graph/linears.js';

export interface OpenMessage {
  readonly kind: 'open';
  readonly checkpoint: Checkpoint;
  readonly precision: Precision;
  /** Threads of the everyday sessions, and of those for a lone small batch (0: none). */
  readonly threads: number;
  readonly wideThreads: number;
}

export interface AdapterMessage {
  readonly kind: 'adapter';
  /** Of this message; the answer repeats it. */
  readonly id: number;
  readonly digest: string;
  readonly tensors: AdapterTensors;
}

export interface ForgetMessage {
  readonly kind: 'forget';
  readonly digest: string;
}

/** Batches of these adapters will come. */
export interface MixMessage {
  readonly kind: 'mix';
  /** Of this message; the answer repeats it. */
  readonly id: number;
  readonly adapters: readonly (string | null)[];
}

export interface BatchMessage {
  readonly kind: 'batch';
  readonly id: number;
  /** Token ids of all rows, one after the other, and the length of each. */
  readonly ids: Int32Array;
  readonly lengths: Int32Array;
  /** The adapters of the batch (null: the base model), and which of them each row has. */
  readonly adapters: readonly (string | null)[];
  readonly adapterOfRow: Int32Array;
  readonly wide: boolean;
}

export type ToChild = OpenMessage | AdapterMessage | ForgetMessage | MixMessage | BatchMessage;

export interface ReadyMessage {
  readonly kind: 'ready';
  /** Measured with the everyday session. */
  readonly tokensPerSecond: number;
}

/** The adapter's tensors are held, and its graph, or that of the mix, has a session. */
export interface PreparedMessage {
  readonly kind: 'prepared';
  /** Of the message that asked for it. */
  readonly id: number;
}

/** The adapter or the mix cannot be had; the child lives on without it. */
export interface RefusedMessage {
  readonly kind: 'refused';
  readonly id: number;
  readonly reason: string;
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

/** The child could not open the checkpoint, and ends. */
export interface BrokenMessage {
  readonly kind: 'broken';
  readonly reason: string;
}

export type FromChild =
  ReadyMessage | PreparedMessage | RefusedMessage | ResultMessage | FailureMessage | BrokenMessage;
