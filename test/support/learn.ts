/** The app with corrections over a real database file and the stand-in judge, which records into it. */
import type { Test } from 'tap';
import { openCorrections } from '../../src/corrections.js';
import type { Database } from '../../src/db/database.js';
import { openFor } from '../db/fixtures/open.js';
import { post, type Served, serve, type Setup } from './serve.js';

export interface Learning extends Served {
  readonly database: Database;
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
  const database = await openFor(t);
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
  return { ...served, database, clock, trained, told };
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

/** A label that differs from this one. */
export const other = (label: string): string => (label === 'refutes' ? 'supports' : 'refutes');
