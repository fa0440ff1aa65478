/** The one door of src/engine: token ids in, logits out, in child processes. */

export interface ClassifyOptions {
  /** Digest of the adapter to answer with; null for the base model. */
  readonly adapter: string | null;
  /** Aborted when the client has gone: what still waits is dropped. */
  readonly signal?: AbortSignal;
  /** When the answer is worth nothing any more, in the clock of performance.now(). */
  readonly deadline?: number;
}

export interface EngineStatus {
  readonly ready: boolean;
  readonly children: number;
  readonly childrenReady: number;
  readonly queuedPairs: number;
  readonly queuedTokens: number;
}

export interface Engine {
  /**
   * Logits of each row, [labels] in the checkpoint's order, in the order of `rows`. A row whose logits are not finite
   * is null. Rejects with Problem 'queue-full' (429, at once), 'unavailable' (503: a child died twice, closing, deadline).
   */
  classify(rows: readonly Int32Array[], options: ClassifyOptions): Promise<(Float32Array | null)[]>;
  status(): EngineStatus;
  /** Resolves when every child has its sessions and has judged once. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}
