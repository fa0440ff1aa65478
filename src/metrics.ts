/** What is counted, in Prometheus' names. One registry for each app. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DatabaseHealth } from './db/database.js';
import type { EngineStatus } from './engine/engine.js';
import type { ResultCacheStatus } from './judge/result-cache.js';

export interface MetricsSource {
  engine(): EngineStatus;
  database(): DatabaseHealth;
  cache(): ResultCacheStatus;
}

export interface Metrics {
  observeRequest(method: string, route: string, status: number, seconds: number): void;
  /** Pairs answered, by their label; `error` for those that could not be judged. */
  countPairs(label: string, pairs: number): void;
  countRecordFailures(judgements: number): void;
  /** Pairs that the live shadow sampled, by what came of it. */
  countShadow(outcome: 'agreed' | 'disagreed' | 'dropped' | 'failed', pairs: number): void;
  /** The text format, with its content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
  close(): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Histogram({
    name: 'errata_http_request_duration_seconds',
    help: 'From the request line to the last byte of the answer',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  });
  const pairs = new Counter({ name: 'errata_pairs_total', help: 'Pairs answered', labelNames: ['label'], registers });
  const lost = new Counter({
    name: 'errata_record_failures_total',
    help: 'Judgements that could not be recorded',
    registers,
  });
  const shadow = new Counter({
    name: 'errata_live_shadow_pairs_total',
    help: 'Pairs that the live shadow sampled',
    labelNames: ['outcome'],
    registers,
  });
  readMetrics(registry, source);
  const closeDelay = eventLoopDelay(registry);
  return {
    observeRequest: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    countPairs: (label, count) => pairs.inc({ label }, count),
    countRecordFailures: (count) => lost.inc(count),
    countShadow: (outcome, count) => shadow.inc({ outcome }, count),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    close: closeDelay,
  };
}

interface State {
  readonly engine: EngineStatus;
  readonly database: DatabaseHealth;
  readonly cache: ResultCacheStatus;
}

type Reading = readonly [name: string, help: string, read: (state: State) => number];

const GAUGES: readonly Reading[] = [
  ['errata_engine_children', 'Inference children', ({ engine }) => engine.children.length],
  [
    'errata_engine_children_ready',
    'Inference children that can answer',
    ({ engine }) => engine.children.filter(({ state }) => state !== 'starting').length,
  ],
  ['errata_queue_pairs', 'Pairs that wait', ({ engine }) => engine.queuedPairs],
  ['errata_queue_tokens', 'Tokens that wait', ({ engine }) => engine.queuedTokens],
  [
    'errata_engine_tokens_per_second',
    'What the inference children do together, as their latest batches show',
    ({ engine }) => engine.tokensPerSecond,
  ],
  [
    'errata_database_writing',
    '1 while the database is written to, 0 while that is stopped or its thread is replaced',
    ({ database }) => Number(database.writing === 'open'),
  ],
  ['errata_result_cache_entries', 'Pairs whose answers are known', ({ cache }) => cache.entries],
  ['errata_database_reading', '1 while the database is read', ({ database }) => Number(database.reading === 'open')],
];

const TOTALS: readonly Reading[] = [
  ['errata_engine_restarts_total', 'Inference children replaced', ({ engine }) => engine.totals.restarts],
  ['errata_engine_retries_total', 'Rows run again because their child died', ({ engine }) => engine.totals.retries],
  ['errata_engine_batches_total', 'Batches run', ({ engine }) => engine.totals.batches],
  [
    'errata_engine_mixed_batches_total',
    'Batches with rows of several adapters',
    ({ engine }) => engine.totals.mixedBatches,
  ],
  ['errata_engine_rows_total', 'Rows run', ({ engine }) => engine.totals.rows],
  ['errata_engine_tokens_total', 'Tokens run', ({ engine }) => engine.totals.tokens],
  ['errata_engine_padded_tokens_total', 'Tokens run, padding included', ({ engine }) => engine.totals.paddedTokens],
  [
    'errata_result_cache_hits_total',
    'Pairs answered without being run, because they were known',
    ({ cache }) => cache.hits,
  ],
  ['errata_result_cache_misses_total', 'Pairs looked for in vain', ({ cache }) => cache.misses],
  ['errata_database_restarts_total', 'Threads of the database replaced', ({ database }) => database.restarts],
  ['errata_database_commits_total', 'Commits', ({ database }) => database.groups],
  ['errata_database_units_total', 'Units of work in those commits', ({ database }) => database.units],
];

/** Read when somebody asks. */
function readMetrics(registry: Registry, source: MetricsSource): void {
  const registers = [registry];
  const state = (): State => ({
    engine: source.engine(),
    database: source.database(),
    cache: source.cache(),
  });
  for (const [name, help, read] of GAUGES) {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: (): void => gauge.set(read(state())) });
  }
  for (const [name, help, read] of TOTALS) {
    const counter: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        counter.reset();
        counter.inc(read(state()));
      },
    });
  }
}

const LOOP_SAMPLE_MS = 10;

/** p99 since the last reading, of this process's event loop. What Node records is the delay on top of its own interval. */
function eventLoopDelay(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
  delay.enable();
  new Gauge({
    name: 'errata_event_loop_delay_p99_seconds',
    help: 'Event-loop delay of the HTTP process, 99th percentile since the last scrape',
    registers: [registry],
    collect() {
      this.set(Math.max(0, delay.percentile(99) / 1e6 - LOOP_SAMPLE_MS) / 1000);
      delay.reset();
    },
  });
  return () => void delay.disable();
}
