/**
 * Measures src/db and prints JSON: `node dist/bench/db.js [--predictions 1000000]`. Rows per second recorded by 64 callers,
 * the time of a lone record, the time of lists over many predictions, and meanwhile the main thread's event-loop delay.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { type Database, openDatabase } from '../src/db/database.js';
import { type ListOptions, listPredictions } from '../src/db/predictions.js';
import type { NewPrediction } from '../src/db/record.js';
import { LABELS } from '../src/labels.js';

const { values } = parseArgs({ options: { predictions: { type: 'string', default: '1000000' } } });
const START = Date.UTC(2026, 0, 1);
const WORDS = [
  'evidence',
  'patients',
  'treatment',
  'increase',
  'outcome',
  'placebo',
  'mortality',
  'Größe',
  'no effect',
];
let made = 0;

function sentence(words: number): string {
  return Array.from({ length: words }, () => WORDS[Math.floor(Math.random() * WORDS.length)]).join(' ');
}

function makePrediction(): NewPrediction {
  const draws = LABELS.map(() => Math.random());
  const sum = draws.reduce((a, b) => a + b);
  const [supports = 0, refutes = 0, neutral = 0] = draws.map((draw) => draw / sum);
  const confidence = Math.max(supports, refutes, neutral);
  const label = LABELS[[supports, refutes, neutral].indexOf(confidence)] ?? 'neutral';
  made += 1;
  return {
    id: randomUUID(),
    pair_id: `c${made}:f1`,
    page_id: `page-${made % 5000}`,
    premise: `${randomBytes(6).toString('hex')} ${sentence(40)}`,
    nli_hypothesis: `Claim ${made % 1000}: ${sentence(3)}`,
    label,
    raw_label: 'entailment',
    confidence,
    scores: { supports, refutes, neutral },
    truncated: false,
    model: 'nli-deberta-v3-xsmall',
    model_digest: 'a'.repeat(64),
    adapter: made % 3 === 0 ? null : { id: 'adapter-1', version: 'v1', digest: 'b'.repeat(64) },
    latency_ms: 12.5,
    key_id: null,
    created_at: new Date(START + made).toISOString(),
  };
}

const makeRows = (count: number) => Array.from({ length: count }, makePrediction);

function quantiles(times: number[]) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Number((sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(3));
  return { p50_ms: at(0.5), p99_ms: at(0.99) };
}

async function timed(times: number[], action: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await action();
  times.push(performance.now() - start);
}

/** 64 callers, each with the next record as soon as the last is acknowledged. */
async function concurrent(db: Database, rowsEach: number, rounds: number) {
  const callers = 64;
  const batches = Array.from({ length: callers * rounds }, () => makeRows(rowsEach));
  const times: number[] = [];
  const { groups } = db.health();
  const start = performance.now();
  const caller = async () => {
    for (let rows = batches.pop(); rows !== undefined; rows = batches.pop()) {
      const input = { rows };
      await timed(times, () => db.run('recordPredictions', input));
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const rows_per_second = Math.round((callers * rounds * rowsEach * 1000) / (performance.now() - start));
  return { callers, rows_each: rowsEach, rows_per_second, commits: db.health().groups - groups, ...quantiles(times) };
}

async function lone(db: Database, count: number) {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const input = { rows: makeRows(1) };
    await timed(times, () => db.run('recordPredictions', input));
  }
  return quantiles(times);
}

async function fill(db: Database, total: number): Promise<void> {
  while (made < total) await Promise.all([1, 2].map(() => db.run('recordPredictions', { rows: makeRows(1000) })));
}

const LISTS: Record<string, ListOptions> = {
  newest: {},
  one_page: { page_id: 'page-77' },
  label: { label: 'refutes' },
  rare_confidence: { min_confidence: 0.99 },
  base_model: { adapter: 'base' },
  no_such_adapter: { adapter: 'none' },
  half_the_time: { until: new Date(START + 500_000).toISOString() },
  wanted: { review: 'wanted' },
  random: { review: 'random' },
  random_refutes: { review: 'random', label: 'refutes' },
  frequent_text: { text: 'GRÖSSE' },
  absent_text: { text: 'antidisestablishmentarianism' },
};

async function lists(db: Database, repeat: number) {
  const out: Record<string, object> = {};
  for (const [name, options] of Object.entries(LISTS)) {
    const times: number[] = [];
    const slow = name === 'absent_text' ? 1 : repeat;
    for (let i = 0; i < slow; i++) await timed(times, () => listPredictions(db.kysely, options));
    out[name] = quantiles(times);
  }
  return out;
}

/** Lone records while a search reads every text, to show that reading does not hold up writing. */
async function recordsBesideSearch(db: Database) {
  let searching = true;
  const search = listPredictions(db.kysely, { text: 'antidisestablishmentarianism' }).finally(
    () => (searching = false),
  );
  const times: number[] = [];
  while (searching) {
    const input = { rows: makeRows(1) };
    await timed(times, () => db.run('recordPredictions', input));
  }
  await search;
  return { records: times.length, ...quantiles(times) };
}

async function main(): Promise<void> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'errata-bench-'));
  const db = await openDatabase({ url: `sqlite:${path.join(directory, 'errata.db')}` });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  try {
    const alone = await lone(db, 500);
    const recorded = [await concurrent(db, 1, 100), await concurrent(db, 8, 50)];
    await fill(db, Number(values.predictions));
    const loneAfter = await lone(db, 300);
    delay.enable();
    const listed = await lists(db, 20);
    delay.disable();
    const beside_search = await recordsBesideSearch(db);
    const event_loop_p99_ms = delay.percentile(99) / 1e6;
    const result = { node: process.version, cpus: os.cpus().length, predictions: made, lone_record: alone, recorded };
    console.log(
      JSON.stringify({ ...result, lone_record_after: loneAfter, listed, event_loop_p99_ms, beside_search }, null, 2),
    );
  } finally {
    await db.close();
    rmSync(directory, { recursive: true });
  }
}

await main();
