/**
 * Which groups of rows (pages) are trained on and which are held out: about a fifth of every stratum is held out, a group
 * is never cut, and a group that has a side keeps it. Pure: the same groups, sides and seed give the same answer.
 */
import { createHmac } from 'node:crypto';
import { mapped, type Pause, sorted } from './turns.js';

export type Side = 'train' | 'validation';

/** The rows of one group, counted by stratum: any words that tell apart what is to be balanced. */
export interface Group {
  readonly key: string;
  readonly strata: Readonly<Record<string, number>>;
}

export interface SplitOptions {
  readonly seed: number;
  /** The share that is held out. */
  readonly share: number;
}

export const SPLIT: SplitOptions = { seed: 42, share: 0.2 };

/** Passes over the new groups end when none moves; each move lowers the cost, so this only bounds the time. */
const MOST_PASSES = 20;
/** Pairs of groups looked at for an exchange, in each pass. */
const MOST_EXCHANGES = 20_000;
/** Below this a change of the cost is rounding. */
const LEAST_GAIN = -1e-9;

/** A group with its strata as numbers. */
interface Counted {
  readonly key: string;
  readonly size: number;
  readonly strata: readonly number[];
  readonly rows: readonly number[];
}

/** Stratum → a number, given out as they are met. */
function numbered(groups: readonly Group[], pause: Pause): Promise<Counted[]> {
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  };
  const counted = ({ key, strata }: Group): Counted => {
    const rows = Object.values(strata);
    const size = rows.reduce((sum, count) => sum + count, 0);
    return { key, size, strata: Object.keys(strata).map(numberOf), rows };
  };
  return mapped(groups, counted, pause);
}

/** Rows of each stratum: all of them, and those held out so far. */
class Balance {
  readonly #all: number[] = [];
  readonly #held: number[] = [];
  readonly #share: number;

  constructor(share: number) {
    this.#share = share;
  }

  count({ strata, rows }: Counted, held: boolean): void {
    for (const [at, stratum] of strata.entries()) {
      const count = rows[at] ?? 0;
      this.#all[stratum] = (this.#all[stratum] ?? 0) + count;
      this.#held[stratum] = (this.#held[stratum] ?? 0) + (held ? count : 0);
    }
  }

  /** Holds the group's rows out (sign 1) or takes them back (-1). Tells how the cost changed. */
  move({ strata, rows }: Counted, sign: 1 | -1): number {
    let change = 0;
    for (const [at, stratum] of strata.entries()) {
      const held = this.#held[stratum] ?? 0;
      const moved = held + sign * (rows[at] ?? 0);
      change += this.#cost(stratum, moved) - this.#cost(stratum, held);
      this.#held[stratum] = moved;
    }
    return change;
  }

  /** Squared distance from the rows wished for, over the stratum's rows: small strata weigh as large ones. */
  #cost(stratum: number, held: number): number {
    const all = this.#all[stratum] ?? 0;
    return (held - this.#share * all) ** 2 / Math.max(1, all);
  }
}

/** Largest groups first, for the small ones can even out what the large ones leave; then by the keyed hash. */
async function inOrder(groups: readonly Counted[], seed: number, pause: Pause): Promise<Counted[]> {
  const hash = (key: string): string => createHmac('sha256', String(seed)).update(key).digest('hex');
  const keyed = await mapped(groups, (group) => ({ group, hash: hash(group.key) }), pause);
  const order = await sorted(keyed, (a, b) => b.group.size - a.group.size || (a.hash < b.hash ? -1 : 1), pause);
  return order.map(({ group }) => group);
}

function toggle(held: Set<string>, key: string): void {
  if (!held.delete(key)) held.add(key);
}

/** Moves each group to its other side where that lowers the cost. Tells whether any moved. */
async function improve(
  groups: readonly Counted[],
  held: Set<string>,
  balance: Balance,
  pause: Pause,
): Promise<boolean> {
  let moved = false;
  for (const group of groups) {
    const turn = pause();
    if (turn) await turn;
    const sign = held.has(group.key) ? -1 : 1;
    if (balance.move(group, sign) < LEAST_GAIN) {
      toggle(held, group.key);
      moved = true;
    } else balance.move(group, sign === 1 ? -1 : 1);
  }
  return moved;
}

/** One group for another, where no single move helps. */
async function improveByExchange(
  groups: readonly Counted[],
  held: Set<string>,
  balance: Balance,
  pause: Pause,
): Promise<boolean> {
  let looked = 0;
  const inside = groups.filter(({ key }) => held.has(key));
  for (const out of inside) {
    for (const into of groups) {
      const turn = pause();
      if (turn) await turn;
      if (held.has(into.key)) continue;
      if ((looked += 1) > MOST_EXCHANGES) return false;
      if (balance.move(out, -1) + balance.move(into, 1) < LEAST_GAIN) {
        toggle(held, out.key);
        toggle(held, into.key);
        return true;
      }
      balance.move(into, -1);
      balance.move(out, 1);
    }
  }
  return false;
}

/**
 * Sides of the groups that `decided` does not know, chosen so that with all the others each stratum comes as near to
 * `share` as whole groups allow. What is decided is taken as it is. `pause` is called between groups, so that many
 * thousands of them need not hold up a thread that answers requests.
 */
export async function decideSides(
  groups: readonly Group[],
  decided: ReadonlyMap<string, Side>,
  { seed, share, pause = () => undefined }: SplitOptions & { readonly pause?: Pause } = SPLIT,
): Promise<Map<string, Side>> {
  const balance = new Balance(share);
  const counted = await numbered(groups, pause);
  await mapped(counted, (group) => balance.count(group, decided.get(group.key) === 'validation'), pause);
  const undecided = counted.filter(({ key }) => !decided.has(key));
  const fresh = await inOrder(undecided, seed, pause);
  const held = new Set<string>();
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const moved = await improve(fresh, held, balance, pause);
    if (!moved && !(await improveByExchange(fresh, held, balance, pause))) break;
  }
  return new Map(await mapped(fresh, ({ key }) => [key, held.has(key) ? 'validation' : 'train'] as const, pause));
}
