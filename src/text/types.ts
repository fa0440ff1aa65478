/** The words of this folder's door; text.ts hands them on. */

export interface PairTexts {
  readonly premise: string;
  readonly hypothesis: string;
}

/** `[CLS] premise [SEP] hypothesis [SEP]`; `truncated` when the premise's end was cut. */
export interface Encoding {
  readonly ids: Int32Array;
  readonly truncated: boolean;
}

/** A fault of this one pair, told in its result. */
export interface PairTrouble {
  readonly code: 'premise-empty' | 'hypothesis-empty' | 'premise-too-long' | 'hypothesis-too-long';
  readonly detail: string;
}

export type Encoded = Encoding | PairTrouble;

export interface Text {
  /**
   * Same order and length as `pairs`. Rejects with Problem 'queue-full' (429, at once) when too much waits, 'unavailable'
   * (503) when two workers were lost over these pairs, none can be started, or the door is closing. Once `signal` is
   * aborted, rejects with its reason: what still waits is dropped.
   */
  encode(pairs: readonly PairTexts[], signal?: AbortSignal): Promise<Encoded[]>;
  /** Ends the workers; what waits is rejected with Problem 'unavailable'. */
  close(): Promise<void>;
}
