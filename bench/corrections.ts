/**
 * Measures corrections over HTTP and prints JSON: `node dist/bench/corrections.js [--rows 100000]`. Seconds to import, to
 * import again, to export and to report readiness; beside each the slowest of steady probes of GET /health/live; and the
 * largest memory of the serving process.
 */
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { correctionLines } from './support/correction-lines.js';
import { startServer } from './support/server.js';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '100000' } } });
const ROWS = Number(values.rows);
const PROBE_MS = 10;

/** Runs `action` beside probes; the slowest of them tells how long other requests may have waited. */
async function probed<T>(url: string, action: () => Promise<T>) {
  const times: number[] = [];
  const state = { done: false };
  const probes = (async () => {
    while (!state.done) {
      const start = performance.now();
      await (await fetch(`${url}/health/live`)).arrayBuffer();
      times.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
    }
  })();
  const start = performance.now();
  const output = await action().finally(() => (state.done = true));
  const seconds = (performance.now() - start) / 1000;
  await probes;
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(share * (times.length - 1))] ?? 0);
  return { output, measured: { seconds: Number(seconds.toFixed(2)), probe_p99_ms: at(0.99), probe_max_ms: at(1) } };
}

const send = async (url: string): Promise<unknown> => {
  const body = Readable.toWeb(Readable.from(correctionLines(ROWS), { objectMode: false, highWaterMark: 2 ** 16 }));
  const headers = { 'content-type': 'application/x-ndjson' };
  return (await fetch(`${url}/corrections/import`, { method: 'POST', headers, body, duplex: 'half' } as object)).json();
};

async function receive(url: string): Promise<number> {
  let bytes = 0;
  const { body } = await fetch(`${url}/corrections/export`);
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length;
  return bytes;
}

async function readiness(url: string) {
  const report = (await (await fetch(`${url}/training-runs/readiness`)).json()) as Record<string, unknown> & {
    left_out: { counts: object };
  };
  const { usable, confirmations, left_out } = report;
  return { usable, confirmations, left_out: left_out.counts };
}

const peakMegabytes = (pid: number): number =>
  Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);

const server = await startServer({ ERRATA_INFERENCE_CHILDREN: '1' });
try {
  const { url } = server;
  const before = peakMegabytes(server.pid);
  const first = await probed(url, () => send(url));
  const again = await probed(url, () => send(url));
  const out = await probed(url, () => receive(url));
  const ready = await probed(url, () => readiness(url));
  const measures = {
    import: { ...first.measured, report: first.output },
    import_again: { ...again.measured, report: again.output },
    export: { ...out.measured, bytes: out.output },
    readiness: { ...ready.measured, report: ready.output },
  };
  const peak_mb = { before, after: peakMegabytes(server.pid) };
  console.log(JSON.stringify({ rows: ROWS, ...measures, peak_mb }, null, 2));
} finally {
  await server.stop();
}
