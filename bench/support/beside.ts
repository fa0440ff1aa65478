/** What answering takes while a training run goes on in the same service. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pairOf } from './pairs.js';
import { reviewLines } from './correction-lines.js';
import { type BenchServer, judge, startServer } from './server.js';
import { median, quantile, rounded } from './statistics.js';

const PAIR_TOKENS = 64;
const REVIEWS = 1000;
const EVERY_MS = 200;
const MEASURED_MS = 20_000;
const LOOK_MS = 100;

export interface Answering {
  readonly requests: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/** One pair of 64 tokens at fixed times, whatever is answered; before a training run begins, and while it steps. */
export async function inferenceBesideTraining(model: string): Promise<{ alone: Answering; beside: Answering }> {
  const server = await startServer({ ERRATA_MODEL: model, ERRATA_TRAIN_AFTER: '0' });
  try {
    await teach(server);
    const alone = await answering(server);
    const id = await startedRun(server);
    const beside = await answering(server);
    const { state } = await runOf(server, id);
    if (state !== 'running') throw new Error(`the training run was ${state} before the measurement ended`);
    return { alone, beside };
  } finally {
    await server.stop();
  }
}

async function teach({ url }: BenchServer): Promise<void> {
  const body = [...reviewLines(REVIEWS)].map((line) => JSON.stringify(line)).join('\n');
  const headers = { 'content-type': 'application/x-ndjson' };
  const response = await fetch(`${url}/corrections/import`, { method: 'POST', headers, body });
  if (response.status !== 200) throw new Error(`the import answered ${response.status}`);
}

interface Run {
  readonly id: string;
  readonly state: string;
  readonly progress: { readonly step?: number } | null;
}

/** Resolves when it has made its first steps. */
async function startedRun(server: BenchServer): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ force: true, parameters: { epochs: 100 } });
  const response = await fetch(`${server.url}/training-runs`, { method: 'POST', headers, body });
  if (response.status !== 202) throw new Error(`the run was answered ${response.status}`);
  const { id } = (await response.json()) as Run;
  while (((await runOf(server, id)).progress?.step ?? 0) < 2) await sleep(LOOK_MS);
  return id;
}

const runOf = async ({ url }: BenchServer, id: string): Promise<Run> =>
  (await (await fetch(`${url}/training-runs/${id}`)).json()) as Run;

async function answering({ url }: BenchServer): Promise<Answering> {
  const times: Promise<number>[] = [];
  const until = performance.now() + MEASURED_MS;
  for (let seed = 0; performance.now() < until; seed++) {
    times.push(timed(url, seed));
    await sleep(EVERY_MS);
  }
  const ms = await Promise.all(times);
  return { requests: ms.length, p50_ms: rounded(median(ms)), p99_ms: rounded(quantile(ms, 0.99)) };
}

async function timed(url: string, seed: number): Promise<number> {
  const start = performance.now();
  await judge(url, [pairOf(PAIR_TOKENS, seed)]);
  return performance.now() - start;
}
