/** kill -9 at moments that nobody chose, under reviews, judgements and promotions at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, correctMany, correctOne, judge } from './acts.js';
import { lastLife, type Life, live, openHome, type Work } from './lives.js';
import { move } from './scenarios.js';
import { Died } from './service.js';

/** Uniform in [0, 1). */
export type Random = () => number;

const LONGEST_MS = 700;

/** Marsaglia's xorshift32: the same kills for the same seed, as far as the machine allows. */
export function randomOf(seed: number): Random {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

async function untilDeath(act: () => Promise<unknown>): Promise<void> {
  for (;;)
    try {
      await act();
    } catch (error) {
      if (error instanceof Died) return;
      throw error;
    }
}

const load = (client: Client): readonly (() => Promise<unknown>)[] => [
  async () => correctOne(client, (await judge(client, 1))[0] ?? ''),
  () => judge(client, 4),
  () => correctMany(client, 2),
  () => move(client),
];

const killedAfter =
  (ms: number): Work =>
  async (client, service) => {
    const clients = load(client).map(untilDeath);
    await sleep(ms);
    service.child.kill('SIGKILL');
    await Promise.all(clients);
  };

/** Kills so often, or until `go`, asked with the lives so far, says no; each life's faults are of all the kills before it. */
export async function killUnderLoad(
  dataDir: string,
  kills: number,
  random: Random,
  go: (lives: readonly Life[]) => boolean = () => true,
): Promise<Life[]> {
  const home = await openHome(dataDir);
  const lives: Life[] = [];
  try {
    for (let kill = 0; kill < kills && go(lives); kill++)
      lives.push(await live(home, killedAfter(random() * LONGEST_MS)));
    return [...lives, await lastLife(home)];
  } finally {
    home.close();
  }
}
