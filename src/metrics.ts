/** What is counted, in Prometheus' names. One registry for each app. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineStatus } from './engine/engine.js';

export interface MetricsSource {
  engine(): EngineStatus;
}

export interface Metrics {
  observeRequest(method: string, route: string, status: number, seconds: number): void;
  /** Pairs answered, by their label; `error` for those that could not be judged. */
  countPairs(label: string, pairs: number): void;
  countRecordFailures(judgements: number): void;
  /** The text format, with its content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
  close(): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

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
  engineMetrics(registry, source);
  const closeDelay = eventLoopDelay(registry);
  return {
    observeRequest: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    countPairs: (label, count) => pairs.inc({ label }, count),
    countRecordFailures: (count) => lost.inc(count),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    close: closeDelay,
  };
}

type Reading = readonly [name: string, help: string, read: (engine: EngineStatus) => number];

const GAUGES: readonly Reading[] = [
  ['errata_engine_children', 'Inference children', ({ children }) => children.length],
  [
    'errata_engine_children_ready',
    'Inference children that can answer',
    ({ children }) => children.filter(({ state }) => state !== 'starting').length,
  ],
  ['errata_queue_pairs', 'Pairs that wait', ({ queuedPairs }) => queuedPairs],
  ['errata_queue_tokens', 'Tokens that wait', ({ queuedTokens }) => queuedTokens],
];

const TOTALS: readonly Reading[] = [
  ['errata_engine_restarts_total', 'Inference children replaced', ({ totals }) => totals.restarts],
  ['errata_engine_retries_total', 'Rows run again because their child died', ({ totals }) => totals.retries],
  ['errata_engine_batches_total', 'Batches run', ({ totals }) => totals.batches],
  ['errata_engine_rows_total', 'Rows run', ({ totals }) => totals.rows],
  ['errata_engine_tokens_total', 'Tokens run', ({ totals }) => totals.tokens],
  ['errata_engine_padded_tokens_total', 'Tokens run, padding included', ({ totals }) => totals.paddedTokens],
];

/** Read from the engine when somebody asks. */
function engineMetrics(registry: Registry, { engine }: MetricsSource): void {
  const registers = [registry];
  for (const [name, help, read] of GAUGES) {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: (): void => gauge.set(read(engine())) });
  }
  for (const [name, help, read] of TOTALS) {
    const counter: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        counter.reset();
        counter.inc(read(engine()));
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
