/**
 * `npm run -s bench:overload -- --json`: ten times what the service can do arrives, whether it answers or not. For the
 * bundled model and for a checkpoint of the xsmall shape: what is answered in time against the capacity measured just
 * before, how fast the rest is refused, memory, and how long it takes until a lone request is as fast as before.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../src/package.js';
import { benchCheckpoint } from './support/checkpoint.js';
import type { Asked, Generated, Load } from './support/generator.js';
import { pairOf } from './support/pairs.js';
import { processTree, treeMemory } from './support/process-tree.js';
import { type BenchServer, judge, startServer } from './support/server.js';
import { median, quantile, rounded, timed } from './support/statistics.js';

const GENERATOR = fileURLToPath(new URL('./support/generator.js', import.meta.url));
const PAIRS = 8;
const TOKENS = 64;
const TIMES = 10;
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

function machine(): object {
  const date = new Date().toISOString().slice(0, 10);
  return { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), node: process.version, date };
}

async function overloaded(folder: string, deadlineMs: number): Promise<object> {
  const server = await startServer({ ERRATA_MODEL: folder, ERRATA_LOG_LEVEL: 'silent' });
  const load = { port: Number(new URL(server.url).port), pairs: PAIRS, tokens: TOKENS, deadlineMs };
  await generate({ ...load, seconds: WARM_UP_SECONDS, clients: CLIENTS });
  const lone = median(await timed(() => ask(server), LONE_REQUESTS));
  const before = await watched(server, () => generate({ ...load, seconds: CAPACITY_SECONDS, clients: CLIENTS }));
  const capacity = goodput(before.result.asked, deadlineMs, CAPACITY_SECONDS);
  const perSecond = (TIMES * capacity) / PAIRS;
  const during = await watched(server, () => generate({ ...load, seconds: OVERLOAD_SECONDS, perSecond }));
  const normalMs = await untilNormal(server, lone);
  await server.stop();
  const good = goodput(during.result.asked, deadlineMs, OVERLOAD_SECONDS);
  return {
    deadline_ms: deadlineMs,
    capacity_pairs_per_second: rounded(capacity),
    goodput_pairs_per_second: rounded(good),
    goodput_of_capacity: rounded(good / capacity, 3),
    requests_per_second: rounded(perSecond),
    statuses: statuses(during.result.asked),
    answered_late: during.result.asked.filter(({ status, took }) => status === 200 && took > deadlineMs).length,
    refused_p99_ms_in_server: during.refusedMs,
    refused_p99_ms_at_generator: rounded(quantile(tooks(during.result.asked, 429), 0.99)),
    accepted_p50_ms: rounded(median(tooks(during.result.asked, 200))),
    accepted_p99_ms: rounded(quantile(tooks(during.result.asked, 200), 0.99)),
    generator_lag_p99_ms: rounded(
      quantile(
        during.result.asked.map(({ due, left }) => left - due),
        0.99,
      ),
    ),
    event_loop_delay_p99_ms: during.loopMs,
    memory_before_mb: rounded(before.memory, 0),
    memory_during_mb: rounded(during.memory, 0),
    memory_times: rounded(during.memory / before.memory, 2),
    http_process_mb: [before.httpMemory, during.httpMemory].map((mb) => rounded(mb, 0)),
    cpu_seconds: { before: before.cpu, during: during.cpu, of: [CAPACITY_SECONDS, OVERLOAD_SECONDS] },
    lone_request_ms: rounded(lone),
    normal_after_ms: rounded(normalMs, 0),
  };
}

async function generate(load: Load): Promise<Generated> {
  const child = fork(GENERATOR, [], { serialization: 'advanced' });
  child.send(load);
  const [generated] = (await once(child, 'message')) as [Generated];
  return generated;
}

/** Pairs per second answered in time, while the load lasted: what was answered after it does not count. */
function goodput(asked: readonly Asked[], deadlineMs: number, seconds: number): number {
  const good = asked.filter(
    ({ status, left, took }) => status === 200 && took <= deadlineMs && left + took <= 1000 * seconds,
  );
  return (PAIRS * good.length) / seconds;
}

const tooks = (asked: readonly Asked[], wanted: number): number[] =>
  asked.filter(({ status }) => status === wanted).map(({ took }) => took);

function statuses(asked: readonly Asked[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of asked) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

const ask = ({ url }: BenchServer): Promise<void> =>
  judge(
    url,
    Array.from({ length: PAIRS }, (_, i) => pairOf(TOKENS, 1000 + i)),
  );

/** What the server was seen to take while `work` went on. */
async function watched({ url, pid }: BenchServer, work: () => Promise<Generated>) {
  const [metricsBefore, cpuBefore] = [await metricsOf(url), cpuOf(pid)];
  let [memory, httpMemory] = [0, 0];
  const sampler = setInterval(() => {
    memory = Math.max(memory, treeMemory(pid));
    httpMemory = Math.max(httpMemory, resident(pid));
  }, 500);
  const result = await work();
  clearInterval(sampler);
  const [metrics, cpuAfter] = [await metricsOf(url), cpuOf(pid)];
  const cpu = {
    http_process: rounded(cpuAfter.own - cpuBefore.own),
    children: rounded(cpuAfter.children - cpuBefore.children),
    generator: rounded(result.cpuSeconds),
  };
  const loopMs = rounded(1000 * Number(/^errata_event_loop_delay_p99_seconds (\S+)/m.exec(metrics)?.[1]));
  return { result, memory, httpMemory, cpu, loopMs, refusedMs: refusedP99(metricsBefore, metrics) };
}

const metricsOf = async (url: string): Promise<string> => (await fetch(`${url}/metrics`)).text();

/** Of the server's own histogram, from the head of the request to the end of its answer; within a bucket evenly. */
function refusedP99(before: string, after: string): number | null {
  const [from, to] = [buckets(before), buckets(after)];
  const counts = to.map(([bound, count], i) => [bound, count - (from[i]?.[1] ?? 0)] as const);
  const all = counts.at(-1)?.[1] ?? 0;
  const at = counts.findIndex(([, count]) => count >= 0.99 * all);
  if (all === 0) return null;
  const [low, below] = counts[at - 1] ?? [0, 0];
  const [high, count] = counts[at]!;
  return rounded(1000 * (low + ((high - low) * (0.99 * all - below)) / (count - below)), 2);
}

const buckets = (metrics: string): [bound: number, count: number][] =>
  [
    ...metrics.matchAll(
      /^errata_http_request_duration_seconds_bucket\{le="([^"]+)",[^}]*route="\/nli",status="429"\} (\d+)/gm,
    ),
  ].map(([, bound, count]) => [Number(bound), Number(count)]);

async function untilNormal(server: BenchServer, lone: number): Promise<number> {
  const began = performance.now();
  for (let fast = 0, first = began; performance.now() - began < NORMAL_WITHIN_MS;) {
    const started = performance.now();
    const took = await ask(server).then(
      () => performance.now() - started,
      () => Number.POSITIVE_INFINITY,
    );
    fast = took <= NORMAL * lone ? fast + 1 : 0;
    if (fast === 1) first = performance.now();
    if (fast === 2) return first - began;
    if (took === Number.POSITIVE_INFINITY) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Number.POSITIVE_INFINITY;
}

/** Seconds of processor time of the HTTP process with its threads, and of its children. */
function cpuOf(pid: number): { own: number; children: number } {
  const children = processTree(pid).filter((one) => one !== pid);
  return { own: ticks(pid), children: children.reduce((sum, one) => sum + ticks(one), 0) };
}

const TICKS_PER_SECOND = 100;

function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

const resident = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

await main();
