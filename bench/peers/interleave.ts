/** Repeated measurements of several works side by side, and what they say about one another. */
import { setTimeout as pause } from 'node:timers/promises';
import { median, quantile, rounded } from '../support/statistics.js';

/** Threads of onnxruntime and OpenMP spin for a while after their work; whoever comes next must not pay for it. */
export const SETTLE_MS = 40;

/** Milliseconds of one run. */
export type Work = () => Promise<number>;

interface Turns {
  /** Rounds that are not counted. */
  readonly warmUp?: number;
  /** Runs of every turn that are not counted: a short work finds the caches full of the one before. */
  readonly again?: number;
}

/** Each work in turn, A B C A B C, so that drift of the machine hits all alike; the milliseconds of each by its name. */
export async function interleaved(
  works: Readonly<Record<string, Work>>,
  rounds: number,
  { warmUp = 2, again = 0 }: Turns = {},
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = {};
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, work] of Object.entries(works)) {
      await pause(SETTLE_MS);
      for (let run = 0; run < again; run++) await work();
      const ms = await work();
      if (round >= 0) (times[name] ??= []).push(ms);
    }
  }
  return times;
}

export interface Summary {
  readonly median: number;
  readonly quartiles: readonly [number, number];
  readonly range: readonly [number, number];
}

export function summary(values: readonly number[], digits = 1): Summary {
  const at = (q: number): number => rounded(quantile(values, q), digits);
  return { median: rounded(median(values), digits), quartiles: [at(0.25), at(0.75)], range: [at(0), at(1)] };
}

/** How many times as long `theirs` took as `ours`, round by round. */
export const timesFaster = (ours: readonly number[], theirs: readonly number[]): Summary =>
  summary(
    theirs.map((ms, round) => ms / ours[round]!),
    2,
  );
