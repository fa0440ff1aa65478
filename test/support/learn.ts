/** The app with corrections over a real database file and the stand-in judge, which records into it. */
import type { Test } from 'tap';
import type { Correction, CorrectionList, CorrectionResults } from '../../schemas/corrections.js';
import { openCorrections } from '../../src/corrections/corrections.js';
import type { Database } from '../../src/db/database.js';
import { fileIn, openFor } from '../db/fixtures/open.js';
import { type Answered, get, post, type Served, serve, type Setup } from './serve.js';

export interface Learning extends Served {
  readonly database: Database;
  /** Its SQLite file. */
  readonly file: string;
  /** Milliseconds; moved by hand. */
  readonly clock: { now: number };
  /** Corrections that count as trained on. */
  readonly trained: Set<string>;
  /** How often commits of corrections were told. */
  readonly told: { times: number };
}

/** UUIDv7-shaped ids in order. */
export function ids(): () => string {
  let last = 0;
  return () => `0198c7f2-0000-7000-8000-${String((last += 1)).padStart(12, '0')}`;
}

export async function learn(t: Test, setup: Setup = {}): Promise<Learning> {
  const file = fileIn(t);
  const database = await openFor(t, file);
  const clock = { now: Date.UTC(2026, 0, 3) };
  const trained = new Set<string>();
  const told = { times: 0 };
  const served = await serve(t, {
    recorded: async (rows) => database.run('recordPredictions', { rows }),
    learning: (judge) => {
      const parts = { database, judge, modelDigest: 'm1', now: () => (clock.now += 1), newId: ids() };
      const learning = openCorrections({ ...parts, trained: async () => trained });
      learning.corrections.onStored(() => (told.times += 1));
      return learning;
    },
    ...setup,
  });
  return { ...served, database, file, clock, trained, told };
}

export interface JudgedPair {
  readonly prediction_id: string;
  readonly label: string;
  readonly confidence: number;
}

/** Judgements of these pairs, recorded. */
export async function judged(url: string, pairs: readonly object[]): Promise<JudgedPair[]> {
  const { status, body } = await post(`${url}/nli`, { pairs });
  if (status !== 200) throw new Error(`POST /nli answered ${status}`);
  return (body as { results: JudgedPair[] }).results;
}

export const PAIR = { pair_id: 'c1', premise: 'A man plays.', nli_hypothesis: 'Someone plays.', page_id: 'p7' };

/** In full, of a pair that nobody judged here. */
export const CLAIM = {
  premise: 'The drug helps.',
  nli_hypothesis: 'It harms.',
  original_label: 'supports',
  original_confidence: 0.95,
};

export const row = ({ body }: Answered): Correction => body as Correction;
export const results = ({ body }: Answered): CorrectionResults['results'] => (body as CorrectionResults).results;

export const list = async (url: string, query = ''): Promise<CorrectionList> =>
  (await get(`${url}/corrections${query}`)).body as CorrectionList;
