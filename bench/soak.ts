/**
 * `npm run -s soak`: kills until it is told to stop, and prints what held as JSON. First every failpoint at n = 1, 2, 3 …
 * until nothing dies there any more, then kill -9 at random moments under load. `--kills 2000`, `--minutes 600`,
 * `--most 40` passages of one failpoint, `--only reviews,keys` scenarios (`none`: no sweep), `--seed 1`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { COMMANDS } from '../test/failpoints/commands.js';
import { killUnderLoad, randomOf } from '../test/failpoints/kills.js';
import type { Life, Target } from '../test/failpoints/lives.js';
import { type Scenario, SCENARIOS } from '../test/failpoints/scenarios.js';
import { killAt, sweepOf, type Targets } from '../test/failpoints/sweep.js';
import { quantile } from './support/statistics.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '2000' },
    minutes: { type: 'string', default: '600' },
    most: { type: 'string', default: '40' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const until = performance.now() + Number(values.minutes) * 60_000;
const go = (): boolean => performance.now() < until;
const wanted = values.only?.split(',');
const isWanted = ({ name }: { readonly name: string }): boolean => wanted?.includes(name) ?? true;

interface Figures {
  readonly scenario: string;
  readonly failpoints: number;
  kills: number;
  /** Failpoints that were passed more often than the sweep goes. */
  readonly not_exhausted: string[];
  readonly faults: string[];
}

const readyMs: number[] = [];
const TELL_EVERY = 25;

/** Runs in a directory that is kept when something was found in it. */
async function inDirectory<T extends { readonly faults: readonly string[] }>(
  act: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'errata-soak-'));
  const figures = await act(directory);
  if (figures.faults.length === 0) rmSync(directory, { recursive: true, force: true });
  else console.error(`kept: ${directory}`);
  return figures;
}

const figuresOf = (scenario: string, names: readonly string[]): Figures => ({
  scenario,
  failpoints: names.length,
  kills: 0,
  not_exhausted: [],
  faults: [],
});

const inTime =
  (targets: Targets): Targets =>
  (fired) =>
    go() ? targets(fired) : null;

function note(figures: Figures, { name, n }: Target, fired: boolean, faults: readonly string[]): void {
  if (fired) figures.kills += 1;
  if (fired && n === Number(values.most)) figures.not_exhausted.push(name);
  figures.faults.push(...faults.map((fault) => `after ${name}:${n}: ${fault}`));
  console.error(`${figures.scenario} ${name}:${n} ${fired ? 'killed' : 'survived'} ${faults.join('; ')}`);
}

function sweepScenario(scenario: Scenario): Promise<Figures> {
  const { once, often, also = [] } = scenario;
  const names = [...once, ...often, ...also];
  return inDirectory(async (directory) => {
    const figures = figuresOf(scenario.name, names);
    await killAt(directory, scenario, inTime(sweepOf(names, Number(values.most))), (kill) => {
      if (kill.ready_ms !== null) readyMs.push(kill.ready_ms);
      note(figures, kill, kill.fired, kill.faults);
    });
    return figures;
  });
}

function sweepCommands({ name, once, often, prepare, kill }: (typeof COMMANDS)[number]): Promise<Figures> {
  const failpoints = [...once, ...often];
  const targets = inTime(sweepOf(failpoints, Number(values.most)));
  return inDirectory(async (directory) => {
    const figures = figuresOf(name, failpoints);
    await prepare(directory);
    for (let target = targets(false); target !== null;) {
      const { fired, faults } = await kill(directory, target);
      note(figures, target, fired, faults);
      target = targets(fired);
    }
    return figures;
  });
}

async function kills() {
  return inDirectory(async (directory) => {
    const asked = Number(values.kills);
    const tell = (lives: readonly Life[]): boolean => {
      if (lives.length % TELL_EVERY === 0) console.error(`${lives.length} of ${asked} kills at random moments`);
      return go();
    };
    const lives = asked === 0 ? [] : await killUnderLoad(directory, asked, randomOf(Number(values.seed)), tell);
    for (const { ready_ms } of lives) if (ready_ms !== null) readyMs.push(ready_ms);
    return { kills: Math.max(0, lives.length - 1), faults: lives.flatMap(({ faults }) => faults) };
  });
}

const sweep: Figures[] = [];
for (const command of COMMANDS.filter(isWanted)) sweep.push(await sweepCommands(command));
for (const scenario of SCENARIOS.filter(isWanted)) sweep.push(await sweepScenario(scenario));
const random = await kills();
const round = (ms: number): number => Math.round(ms);
console.log(
  JSON.stringify(
    {
      date: new Date().toISOString().slice(0, 10),
      node: process.version,
      cores: os.availableParallelism(),
      sweep,
      random,
      ready_ms: readyMs.length === 0 ? null : { p50: round(quantile(readyMs, 0.5)), max: round(Math.max(...readyMs)) },
    },
    null,
    2,
  ),
);
process.exit(sweep.some(({ faults }) => faults.length > 0) || random.faults.length > 0 ? 1 : 0);
