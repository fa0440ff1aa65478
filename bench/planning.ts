/**
 * `node dist/bench/planning.js [--rows 100000]`: how long planning a training run keeps this thread from answering, in
 * milliseconds of event-loop delay, and its seconds. Prints JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openDatabase, type Database } from '../src/db/database.js';
import { trainedIds } from '../src/db/training-data.js';
import { prepareTrainingData } from '../src/training-data/prepare.js';
import { readiness } from '../src/training-data/readiness.js';
import { reviewLines } from './support/correction-lines.js';
import { rounded } from './support/statistics.js';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '100000' } } });
const ROWS_PER_UNIT = 500;
const RESOLUTION_MS = 1;

async function fill(database: Database, rows: number): Promise<void> {
  const at = new Date().toISOString();
  let items = [];
  for (const input of reviewLines(rows)) {
    items.push({ id: `c-${input.external_id}`, created_at: at, input, judged: null });
    if (items.length < ROWS_PER_UNIT) continue;
    await database.run('storeCorrections', { items, key_id: null, request: null, rows: false, at });
    items = [];
  }
}

async function measured(work: () => Promise<unknown>): Promise<object> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  await sleep(100);
  delay.enable();
  await sleep(20);
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  await sleep(20);
  delay.disable();
  const over = (ns: number): number => rounded(Math.max(0, ns / 1e6 - RESOLUTION_MS));
  return { seconds: rounded(seconds), delay_ms: { p99: over(delay.percentile(99)), max: over(delay.max) } };
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'errata-planning-'));
const database = await openDatabase({ url: `sqlite:${path.join(folder, 'errata.db')}` });
try {
  await fill(database, Number(values.rows));
  const trained = (): Promise<Set<string>> => trainedIds(database.kysely, 'none');
  const figures = {
    readiness: await measured(() => readiness({ database, trained })),
    first_split: await measured(() => prepareTrainingData(database)),
    later_split: await measured(() => prepareTrainingData(database)),
  };
  console.log(JSON.stringify({ rows: Number(values.rows), ...figures }, null, 2));
} finally {
  await database.close();
  rmSync(folder, { recursive: true });
}
