/** What was asked of a service that dies again and again, and what it acknowledged: all of that must be there, once. */

/** One request; sent again, as it is, until it is answered. */
export interface Entry {
  /** Unique; it stands in what is stored. */
  readonly key: string;
  times: number;
  answered: boolean;
  /** The erasure that takes it away; it may be there until that is asked for, and not after it is answered. */
  erasedBy?: Entry;
}

/** A promotion, or a rollback to the adapter `null` stands for the base model. */
export interface Move extends Entry {
  readonly act: 'promote' | 'rollback';
}

export interface Ledger {
  /** The run's own number, in every key, so that no two ledgers share one. */
  readonly name: string;
  next: number;
  /** By the `pair_id` that each judgement bears. */
  readonly judgements: Entry[];
  /** By the `reason` that each correction bears. */
  readonly corrections: Entry[];
  /** By the correction's key. */
  readonly withdrawals: Entry[];
  /** By the digest of the weights file. */
  readonly adapters: Entry[];
  readonly moves: Move[];
  /** By the id that was answered; a run whose answer was lost is in the database alone. */
  readonly runs: Entry[];
  /** By the page. */
  readonly erasures: Entry[];
  /** Digests of adapters whose files were damaged, until they are imported again. */
  readonly damaged: Set<string>;
  /** Digests of adapters whose files were as they should be; the last life looks at all of them again. */
  readonly sound: Set<string>;
  /** Ids of webhook messages that came. */
  readonly told: Set<string>;
}

export const openLedger = (name: string): Ledger => ({
  name,
  next: 0,
  judgements: [],
  corrections: [],
  withdrawals: [],
  adapters: [],
  moves: [],
  runs: [],
  erasures: [],
  damaged: new Set(),
  sound: new Set(),
  told: new Set(),
});

/** A word that nothing else has, and that is part of no other. */
export const unique = (ledger: Ledger, word: string): string =>
  `${word}-${ledger.name}-${String((ledger.next += 1)).padStart(6, '0')}`;

export const entry = (key: string): Entry => ({ key, times: 0, answered: false });
