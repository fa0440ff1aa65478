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
  readonly mix: string;
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
export interface HeldMessage {
  readonly kind: 'held';
  /** Of the adapter; or the name of the mix. */
  readonly digest: string;
}

/** The adapter or the mix cannot be had; the child lives on without it. */
export interface RefusedMessage {
  readonly kind: 'refused';
  readonly digest: string;
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

export type FromChild = ReadyMessage | HeldMessage | RefusedMessage | ResultMessage | FailureMessage | BrokenMessage;
