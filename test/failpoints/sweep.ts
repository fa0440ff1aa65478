/** Kills at failpoints, one life after the other over one data directory, and what the lives that followed found. */
import type { Failpoint } from '../../src/failpoints.js';
import { type Life, lastLife, live, openHome, type Target } from './lives.js';
import type { Scenario } from './scenarios.js';

/** A kill, and what the start after it showed. */
export interface Kill extends Target {
  readonly fired: boolean;
  readonly ready_ms: number | null;
  readonly faults: readonly string[];
}

/** What comes next; null: no more. It knows whether something died at the target before. */
export type Targets = (fired: boolean) => Target | null;

/** One by one. */
export function each(targets: readonly Target[]): Targets {
  const left = [...targets];
  return () => left.shift() ?? null;
}

/** n = 1, 2, 3 … of each, until nothing dies any more; at most `most`. */
export function sweepOf(of: readonly Failpoint[], most: number): Targets {
  const names = [...of];
  let n = 0;
  return (fired) => {
    if (n > 0 && (!fired || n >= most)) {
      names.shift();
      n = 0;
    }
    const [name] = names;
    n += 1;
    return name === undefined ? null : { name, n };
  };
}

/** Does the scenario in life after life; each is killed at the next target. */
export async function killAt(
  dataDir: string,
  { before, work }: Scenario,
  targets: Targets,
  told: (kill: Kill) => void = () => undefined,
): Promise<Kill[]> {
  const home = await openHome(dataDir);
  const kills: Kill[] = [];
  let last: { readonly target: Target; readonly life: Life } | null = null;
  const note = (next: Life): void => {
    if (last === null) return;
    const { target, life } = last;
    const kill = { ...target, fired: life.fired, ready_ms: next.ready_ms, faults: next.faults };
    kills.push(kill);
    told(kill);
  };
  try {
    if (before) refuseFaults(await live(home, before));
    for (let target = targets(false); target !== null; target = targets(last?.life.fired ?? false)) {
      const life = await live(home, work, target);
      note(life);
      last = { target, life };
    }
    note(await lastLife(home));
    return kills;
  } finally {
    home.close();
  }
}

function refuseFaults({ faults }: Life): void {
  if (faults.length > 0) throw new Error(faults.join('\n'));
}
