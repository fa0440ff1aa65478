/** One data directory, many lives: each is started, checked against all that came before, worked with, and killed. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failpoint } from '../../src/failpoints.js';
import { activeOf, type Client, quiet, settle } from './acts.js';
import { faultsOf, untold } from './invariants.js';
import { type Ledger, openLedger } from './ledger.js';
import { type Receiver, startReceiver } from './receiver.js';
import { Died, orphansOf, ready, type RunningService, startService } from './service.js';

export interface Home {
  readonly dataDir: string;
  readonly ledger: Ledger;
  readonly pending: Client['pending'];
  readonly env: Readonly<Record<string, string>>;
  close(): void;
}

export interface Target {
  readonly name: Failpoint;
  readonly n: number;
}

/** What one life showed. */
export interface Life {
  /** Whether something died at the failpoint. */
  readonly fired: boolean;
  /** From the start of the process until it took work; null: it died before. */
  readonly ready_ms: number | null;
  /** What did not hold when it had started, of all the lives before; or of its own end. */
  readonly faults: readonly string[];
}

/** What a life is made to do until it dies. */
export type Work = (client: Client, service: RunningService) => Promise<void>;

export async function openHome(dataDir: string): Promise<Home> {
  const ledger = openLedger(randomUUID().slice(0, 8));
  const file = path.join(dataDir, 'webhooks.json');
  const receiver: Receiver = await startReceiver(file, ledger.told);
  return { dataDir, ledger, pending: [], env: { ERRATA_WEBHOOKS: file }, close: () => receiver.close() };
}

/** Starts, settles what the lives before left, checks, works; ends however it ends. */
export async function live(home: Home, work: Work, target: Target | null = null): Promise<Life> {
  const life = randomUUID();
  const mark = path.join(home.dataDir, `mark-${life}`);
  const armed = target && { FAILPOINT: `${target.name}:${target.n}`, FAILPOINT_MARK: mark };
  const started = performance.now();
  const service = startService(home.dataDir, life, { ...home.env, ...armed });
  const faults: string[] = [];
  let ready_ms: number | null = null;
  let died = false;
  try {
    const url = await ready(service);
    ready_ms = performance.now() - started;
    const client = { ...home, url };
    // First as it was left: what is sent again may mend it.
    faults.push(...(await faultsOf(home.dataDir, home.ledger, await activeOf(client))));
    await settle(client);
    faults.push(...(await faultsOf(home.dataDir, home.ledger, await activeOf(client))));
    await work(client, service);
  } catch (error) {
    died = error instanceof Died;
    if (!died) faults.push(String(error));
  }
  faults.push(...(await endOf(service, died)));
  return { fired: existsSync(mark), ready_ms, faults };
}

const PATIENCE_MS = 5000;

/** One that does not answer any more is dead by then; one that was not killed is closed as an operator would. */
async function endOf(service: RunningService, died: boolean): Promise<string[]> {
  const { child, ended, said } = service;
  const alive = (await Promise.race([ended, sleep(died ? PATIENCE_MS : 100, 'alive')])) === 'alive';
  if (alive) child.kill('SIGTERM');
  const how = await ended;
  const orphans = await orphansOf(service);
  return [
    ...(died && alive ? ['it did not answer, and had not died'] : []),
    ...(how === 0 || how === 'SIGKILL' ? [] : [`it ended with ${how}: ${said()}`]),
    ...(how === 'SIGKILL' || child.killed ? [] : [`it ended by itself: ${said()}`]),
    ...(orphans.length > 0 ? [`it left the processes ${orphans.join(', ')}`] : []),
  ];
}

/** The last life: everything comes to its end, every event is told, and all of it is checked once more. */
export async function lastLife(home: Home): Promise<Life> {
  const faults: string[] = [];
  home.ledger.sound.clear();
  const life = await live(home, async (client) => {
    await quiet(client);
    for (let wait = 0; wait < 100 && untold(home.dataDir, home.ledger).length > 0; wait++) await sleep(100);
    faults.push(...untold(home.dataDir, home.ledger).map((id) => `nobody was told of ${id}`));
    faults.push(...(await faultsOf(home.dataDir, home.ledger, await activeOf(client))));
  });
  return { ...life, faults: [...life.faults, ...faults] };
}
