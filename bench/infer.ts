/** `npm run -s bench:infer -- --json`: inference on the xsmall shape, at the engine and over HTTP. Peers: bench/peers.ts. */
import autocannon from 'autocannon';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { type Engine, type EngineOptions, openEngine } from '../src/engine/engine.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { gemmPeak } from './support/gemm.js';
import { loneClient } from './support/lone-client.js';
import { machine } from './support/machine.js';
import { idsOf, pairOf } from './support/pairs.js';
import { treeMemory } from './support/process-tree.js';
import { type BenchServer, startServer } from './support/server.js';
import { median, rounded, timed } from './support/statistics.js';

const SHAPES = [
  [1, 32],
  [1, 64],
  [1, 128],
  [8, 64],
  [8, 128],
  [32, 64],
  [8, 256],
] as const;
const REPETITIONS = 15;
const PAIR_TOKENS = 64;
const CLIENTS = [1, 8, 64];
const SECONDS = 8;

async function main(): Promise<void> {
  const folder = await benchCheckpoint();
  const checkpoint = await openCheckpoint(folder);
  const peaks = [await gemmPeak()];
  const engine = await engineFigures(checkpoint, {});
  const int8 = await engineFigures(checkpoint, { precision: 'int8' });
  const http = await httpFigures(folder);
  peaks.push(await gemmPeak());
  const report = { machine: { ...machine(), gemm_fp32_gflops: rounded(Math.max(...peaks)) }, engine, int8, http };
  console.log(JSON.stringify(report, null, process.argv.includes('--json') ? undefined : 2));
}

/** A request of B rows alone on the engine: lone small ones take the wide session, others spread over the children. */
async function engineFigures(checkpoint: Checkpoint, options: Partial<EngineOptions>) {
  const engine = await openEngine(checkpoint, options);
  const ms: Record<string, number> = {};
  for (const [rows, tokens] of SHAPES) {
    const batch = Array.from({ length: rows }, () => idsOf(tokens, checkpoint.config.vocabSize));
    ms[`${rows}x${tokens}`] = rounded(median(await timed(() => engine.classify(batch), REPETITIONS)));
  }
  const saturated = await saturatedPairsPerSecond(engine, checkpoint);
  await engine.close();
  const perSecond = Object.fromEntries(
    SHAPES.map(([rows, tokens]) => [`${rows}x${tokens}`, rounded((1000 * rows) / ms[`${rows}x${tokens}`]!)]),
  );
  return { ms, pairs_per_second: perSecond, pairs_per_second_64_tokens_64_in_flight: rounded(saturated) };
}

async function saturatedPairsPerSecond(engine: Engine, { config }: Checkpoint): Promise<number> {
  const end = performance.now() + SECONDS * 1000;
  let done = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      await engine.classify([idsOf(PAIR_TOKENS, config.vocabSize)]);
      done += 1;
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: 64 }, client));
  return (1000 * done) / (performance.now() - started);
}

async function httpFigures(folder: string) {
  const off = await startServer({ ERRATA_MODEL: folder, ERRATA_RECORD: 'off' });
  const start_ms = rounded(off.startMs);
  const lone = await loneMs(off);
  const load: Record<string, object> = {};
  for (const clients of CLIENTS) load[clients] = await underLoad(off, clients);
  await off.stop();
  const on = await startServer({ ERRATA_MODEL: folder, ERRATA_RECORD: 'required' });
  const recorded = await loneMs(on);
  const recordedLoad = await underLoad(on, 64);
  await on.stop();
  return {
    start_to_first_answer_ms: start_ms,
    lone_pair_ms: lone,
    lone_pair_recorded_ms: recorded,
    clients: load,
    clients_64_recorded: recordedLoad,
  };
}

/** Requests until V8 has compiled what they meet. */
const WARM_UP = 300;

async function loneMs({ url }: BenchServer): Promise<number> {
  let seed = 0;
  const client = loneClient(url);
  const times = await timed(() => client.judge([pairOf(PAIR_TOKENS, ++seed)]), 100, WARM_UP);
  client.close();
  return rounded(median(times), 2);
}

async function underLoad({ url, pid }: BenchServer, clients: number): Promise<object> {
  let peakMemory = 0;
  const sampler = setInterval(() => (peakMemory = Math.max(peakMemory, treeMemory(pid))), 500);
  const requests = Array.from({ length: 200 }, (_, seed) => ({
    method: 'POST' as const,
    path: '/nli',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ pairs: [pairOf(PAIR_TOKENS, seed)] }),
  }));
  await fetch(`${url}/metrics`).then((r) => r.text()); // the event-loop figure is since the last reading
  const result = await autocannon({ url, connections: clients, duration: SECONDS, requests });
  clearInterval(sampler);
  const metrics = await fetch(`${url}/metrics`).then((r) => r.text());
  const delay = Number(/^errata_event_loop_delay_p99_seconds (\S+)/m.exec(metrics)?.[1]);
  return {
    pairs_per_second: rounded(result['2xx'] / result.duration),
    p50_ms: result.latency.p50,
    p99_ms: result.latency.p99,
    errors: result.non2xx + result.errors,
    memory_pss_mb: rounded(peakMemory, 0),
    event_loop_delay_p99_ms: rounded(1000 * delay),
  };
}

await main();
