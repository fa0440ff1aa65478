/** The one door of src/text: pairs of texts in, token ids out, on worker threads. */

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
  /** Same order and length as `pairs`. */
  encode(pairs: readonly PairTexts[]): Promise<Encoded[]>;
  close(): Promise<void>;
}
