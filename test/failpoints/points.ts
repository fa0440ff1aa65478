/** Which kills CI makes of a scenario: each failpoint at its first passage, and once more at one drawn by lot. */
import type { Random } from './kills.js';
import type { Target } from './lives.js';
import type { Failpoint } from '../../src/failpoints.js';

const MOST = 4;

/** The seed of this run: FAILPOINT_SEED, or another one each time. It is printed, so that a run can be made again. */
export const seedOf = (env: NodeJS.ProcessEnv): number => Number(env['FAILPOINT_SEED'] ?? Date.now() % 1_000_000);

export const firsts = (names: readonly Failpoint[]): Target[] => names.map((name) => ({ name, n: 1 }));

/** Of those that are passed more than once every third, from a place drawn by lot on: CI has 20 minutes for everything. */
const SHARE = 3;

/** One passage of each of these, from the second on. */
export function drawn(names: readonly Failpoint[], random: Random): Target[] {
  const first = Math.floor(random() * SHARE);
  const some = names.filter((_, i) => i % SHARE === first);
  return some.map((name) => ({ name, n: 2 + Math.floor(random() * (MOST - 1)) }));
}
