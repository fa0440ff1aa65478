/**
 * Which groups of rows (pages) are trained on and which are held out: about a fifth of every stratum is held out, a group
 * is never cut, and a group that has a side keeps it. Pure: the same groups, sides and seed give the same answer.
 */
import { createHmac } from 'node:crypto';

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

/** Rows of one stratum: all of them, and those held out so far. */
interface Tally {
  all: number;
  held: number;
}

/** Passes over the new groups end when none moves; each move lowers the cost, so this only bounds the time. */
const MOST_PASSES = 20;
/** Pairs of groups looked at for an exchange. */
const MOST_EXCHANGES = 200_000;

const order = (key: string, seed: number): string => createHmac('sha256', String(seed)).update(key).digest('hex');

/** Squared distance from the share wished for, in rows over the root of the expected rows: small strata weigh as large ones. */
function costOf({ all, held }: Tally, delta: number, share: number): number {
  return (held + delta - share * all) ** 2 / Math.max(1, all);
}

class Balance {
  readonly #tallies = new Map<string, Tally>();
  readonly #share: number;

  constructor(share: number) {
    this.#share = share;
  }

  count({ strata }: Group, held: boolean): void {
    for (const [name, rows] of Object.entries(strata)) {
      const tally = this.#tally(name);
      tally.all += rows;
      if (held) tally.held += rows;
    }
  }

  /** How the cost changes when `rows` (by stratum) are held out more (negative: fewer). */
  gain(rows: Readonly<Record<string, number>>): number {
    let change = 0;
    for (const [name, delta] of Object.entries(rows)) {
      const tally = this.#tally(name);
      change += costOf(tally, delta, this.#share) - costOf(tally, 0, this.#share);
    }
    return change;
  }

  move(rows: Readonly<Record<string, number>>): void {
    for (const [name, delta] of Object.entries(rows)) this.#tally(name).held += delta;
  }

  #tally(name: string): Tally {
    const tally = this.#tallies.get(name) ?? { all: 0, held: 0 };
    this.#tallies.set(name, tally);
    return tally;
  }
}

const times = (strata: Group['strata'], sign: 1 | -1) =>
  Object.fromEntries(Object.entries(strata).map(([name, rows]) => [name, sign * rows]));

function exchange(out: Group, into: Group): Record<string, number> {
  const rows: Record<string, number> = times(out.strata, -1);
  for (const [name, count] of Object.entries(into.strata)) rows[name] = (rows[name] ?? 0) + count;
  return rows;
}

const sizeOf = ({ strata }: Group): number => Object.values(strata).reduce((sum, rows) => sum + rows, 0);

/** Below this a change of the cost is rounding. */
const LEAST_GAIN = -1e-9;

/** Largest groups first, for the small ones can even out what the large ones leave; then by the keyed hash. */
function inOrder(groups: readonly Group[], seed: number): Group[] {
  const keyed = groups.map((group) => ({ group, size: sizeOf(group), hash: order(group.key, seed) }));
  keyed.sort((a, b) => b.size - a.size || (a.hash < b.hash ? -1 : 1));
  return keyed.map(({ group }) => group);
}

function improve(groups: readonly Group[], held: Set<string>, balance: Balance): boolean {
  let moved = false;
  for (const group of groups) {
    const out = held.has(group.key);
    const rows = times(group.strata, out ? -1 : 1);
    if (balance.gain(rows) >= LEAST_GAIN) continue;
    balance.move(rows);
    if (out) held.delete(group.key);
    else held.add(group.key);
    moved = true;
  }
  return moved;
}

/** One group for another, where no single move helps. */
function improveByExchange(groups: readonly Group[], held: Set<string>, balance: Balance): boolean {
  let looked = 0;
  for (const out of groups.filter(({ key }) => held.has(key))) {
    for (const into of groups) {
      if (held.has(into.key)) continue;
      if ((looked += 1) > MOST_EXCHANGES) return false;
      const rows = exchange(out, into);
      if (balance.gain(rows) >= LEAST_GAIN) continue;
      balance.move(rows);
      held.delete(out.key);
      held.add(into.key);
      return true;
    }
  }
  return false;
}

/**
 * Sides of the groups that `decided` does not know, chosen so that with all the others each stratum comes as near to
 * `share` as whole groups allow. What is decided is taken as it is.
 */
export function decideSides(
  groups: readonly Group[],
  decided: ReadonlyMap<string, Side>,
  { seed, share }: SplitOptions = SPLIT,
): Map<string, Side> {
  const balance = new Balance(share);
  for (const group of groups) balance.count(group, decided.get(group.key) === 'validation');
  const fresh = inOrder(
    groups.filter(({ key }) => !decided.has(key)),
    seed,
  );
  const held = new Set<string>();
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const moved = improve(fresh, held, balance);
    if (!moved && !improveByExchange(fresh, held, balance)) break;
  }
  return new Map(fresh.map(({ key }) => [key, held.has(key) ? 'validation' : 'train']));
}
