/** What the service is seen to take while a load lasts: memory, processor time, and the time of its refusals. */
import { readFileSync } from 'node:fs';
import { processTree, treeMemory } from '../support/process-tree.js';
import type { BenchServer } from '../support/server.js';
import { rounded } from '../support/statistics.js';
import type { Generated } from './generator.js';

const SAMPLED_EVERY_MS = 500;

export interface Watched extends Generated {
  /** Megabytes at their highest: of the whole process tree (PSS), and of the HTTP process (RSS). */
  readonly memory: number;
  readonly httpMemory: number;
  /** Seconds of processor time of the HTTP process with its threads, and of its children. */
  readonly cpu: { readonly http_process: number; readonly children: number };
  /** p99 of the event loop's delay while it lasted: each reading of /metrics begins anew. */
  readonly loopMs: number;
  readonly refusedMs: number | null;
}

export async function watched({ url, pid }: BenchServer, load: () => Promise<Generated>): Promise<Watched> {
  const [metricsBefore, cpuBefore] = [await metricsOf(url), cpuOf(pid)];
  let [memory, httpMemory] = [0, 0];
  const sampler = setInterval(() => {
    memory = Math.max(memory, treeMemory(pid));
    httpMemory = Math.max(httpMemory, resident(pid));
  }, SAMPLED_EVERY_MS);
  const generated = await load();
  clearInterval(sampler);
  const [metrics, cpuAfter] = [await metricsOf(url), cpuOf(pid)];
  const cpu = {
    http_process: rounded(cpuAfter.own - cpuBefore.own),
    children: rounded(cpuAfter.children - cpuBefore.children),
  };
  const loopMs = rounded(1000 * Number(/^errata_event_loop_delay_p99_seconds (\S+)/m.exec(metrics)?.[1]));
  return { ...generated, memory, httpMemory, cpu, loopMs, refusedMs: refusedP99(metricsBefore, metrics) };
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
