/**
 * `npm run -s bench:overload -- --json`: ten times what the service can do arrives, whether it answers or not. For the
 * bundled model and for a checkpoint of the xsmall shape, in several rounds: what is answered in time against the capacity
 * measured just before and just after, how fast the rest is refused, memory, and how long it takes until a lone request is
 * as fast as before. `--only=tiny` or `--only=xsmall` measures one.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../src/package.js';
import type { Asked, Generated, Load } from './overload/generator.js';
import { type Watched, watched } from './overload/watched.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { machine } from './support/machine.js';
import { pairOf } from './support/pairs.js';
import { type BenchServer, judge, startServer } from './support/server.js';
import { median, quantile, rounded, timed } from './support/statistics.js';

const GENERATOR = fileURLToPath(new URL('./overload/generator.js', import.meta.url));
const PAIRS = 8;
const TOKENS = 64;
const TIMES = 10;
const ROUNDS = 5;
const WARM_UP_SECONDS = 2;
const CAPACITY_SECONDS = 8;
const OVERLOAD_SECONDS = 15;
const CLIENTS = 16;
const LONE_REQUESTS = 15;
/** As fast as before: at most so many times the median, twice in a row. */
const NORMAL = 2;
const NORMAL_WITHIN_MS = 30_000;

async function main(): Promise<void> {
  const models: [string, string, number][] = [
    ['tiny', path.join(packageRoot, 'models', 'nli-deberta-v3-tiny'), 2000],
    ['xsmall', await benchCheckpoint(), 4000],
  ];
  const chosen = models.filter(([name]) =>
    process.argv.every((word) => !word.startsWith('--only=') || word.endsWith(name)),
  );
  const figures: Record<string, object> = {};
  for (const [name, folder, deadlineMs] of chosen) figures[name] = await overloaded(folder, deadlineMs);
  const report = { machine: machine(), times_capacity: TIMES, pairs_per_request: PAIRS, tokens: TOKENS, ...figures };
  console.log(JSON.stringify(report, null, process.argv.includes('--json') ? undefined : 2));
}

async function overloaded(folder: string, deadlineMs: number): Promise<object> {
  const server = await startServer({ ERRATA_MODEL: folder, ERRATA_LOG_LEVEL: 'silent' });
  const load = { port: Number(new URL(server.url).port), pairs: PAIRS, tokens: TOKENS, deadlineMs };
  const closed = (seconds: number) => watched(server, () => generate({ ...load, seconds, clients: CLIENTS }));
  await closed(WARM_UP_SECONDS);
  const lone = median(await timed(() => ask(server), LONE_REQUESTS));
  const rounds: Round[] = [];
  const first = await closed(CAPACITY_SECONDS);
  let before = first;
  for (let round = 0; round < ROUNDS; round++) {
    const perSecond = (TIMES * goodput(before, deadlineMs, CAPACITY_SECONDS)) / PAIRS;
    const during = await watched(server, () => generate({ ...load, seconds: OVERLOAD_SECONDS, perSecond }));
    const normalMs = await untilNormal(server, lone);
    const after = await closed(CAPACITY_SECONDS);
    rounds.push({ first, before, during, after, perSecond, normalMs });
    before = after;
  }
  await server.stop();
  return { deadline_ms: deadlineMs, lone_request_ms: rounded(lone), ...summary(rounds.map(figuresOf(deadlineMs))) };
}

/** An overload between two measurements of the capacity. */
interface Round {
  /** Of the first round: what memory is compared with. */
  readonly first: Watched;
  readonly before: Watched;
  readonly during: Watched;
  readonly after: Watched;
  readonly perSecond: number;
  readonly normalMs: number;
}

const figuresOf =
  (deadlineMs: number) =>
  ({ first, before, during, after, perSecond, normalMs }: Round) => {
    const capacities = [before, after].map((closed) => goodput(closed, deadlineMs, CAPACITY_SECONDS));
    const capacity = (capacities[0]! + capacities[1]!) / 2;
    const good = goodput(during, deadlineMs, OVERLOAD_SECONDS);
    const { asked } = during;
    return {
      capacity_pairs_per_second: capacity,
      goodput_pairs_per_second: good,
      goodput_of_capacity: good / capacity,
      requests_per_second: perSecond,
      answered: took(asked, 200).length,
      refused: took(asked, 429).length,
      otherwise: asked.filter(({ status }) => status !== 200 && status !== 429).length,
      answered_late: took(asked, 200).filter((ms) => ms > deadlineMs).length,
      refused_p99_ms_in_server: during.refusedMs ?? Number.NaN,
      refused_p99_ms_at_generator: quantile(took(asked, 429), 0.99),
      accepted_p50_ms: median(took(asked, 200)),
      accepted_p99_ms: quantile(took(asked, 200), 0.99),
      generator_lag_p99_ms: quantile(
        asked.map(({ due, left }) => left - due),
        0.99,
      ),
      event_loop_delay_p99_ms: during.loopMs,
      memory_before_mb: first.memory,
      memory_during_mb: during.memory,
      memory_times: during.memory / first.memory,
      http_process_mb: during.httpMemory,
      cpu_seconds_http_process: during.cpu.http_process,
      cpu_seconds_children: during.cpu.children,
      cpu_seconds_generator: during.cpuSeconds,
      normal_after_ms: normalMs,
    };
  };

/** Of each figure the median of the rounds, the least and the most. */
function summary(rounds: readonly Readonly<Record<string, number>>[]): object {
  const entries = Object.keys(rounds[0]!).map((name) => {
    const values = rounds.map((round) => round[name]!);
    return [name, [median(values), Math.min(...values), Math.max(...values)].map((value) => rounded(value, 3))];
  });
  return { rounds: rounds.length, median_least_most: Object.fromEntries(entries) as object };
}

async function generate(load: Load): Promise<Generated> {
  const child = fork(GENERATOR, [], { serialization: 'advanced' });
  child.send(load);
  const [generated] = (await once(child, 'message')) as [Generated];
  return generated;
}

/** Pairs per second answered in time, while the load lasted: what was answered after it does not count. */
function goodput({ asked }: Generated, deadlineMs: number, seconds: number): number {
  const good = asked.filter(
    (one) => one.status === 200 && one.took <= deadlineMs && one.left + one.took <= 1000 * seconds,
  );
  return (PAIRS * good.length) / seconds;
}

const took = (asked: readonly Asked[], wanted: number): number[] =>
  asked.filter(({ status }) => status === wanted).map((one) => one.took);

const ask = ({ url }: BenchServer): Promise<void> =>
  judge(
    url,
    Array.from({ length: PAIRS }, (_, i) => pairOf(TOKENS, 1000 + i)),
  );

async function untilNormal(server: BenchServer, lone: number): Promise<number> {
  const began = performance.now();
  for (let fast = 0, first = began; performance.now() - began < NORMAL_WITHIN_MS;) {
    const started = performance.now();
    const time = await ask(server).then(
      () => performance.now() - started,
      () => Number.POSITIVE_INFINITY,
    );
    fast = time <= NORMAL * lone ? fast + 1 : 0;
    if (fast === 1) first = performance.now();
    if (fast === 2) return first - began;
    if (time === Number.POSITIVE_INFINITY) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Number.POSITIVE_INFINITY;
}

await main();
