/** What is counted, in Prometheus' names. One registry for each app. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineStatus } from './engine/engine.js';

export interface MetricsSource {
  engine(): EngineStatus;
  /** Children of the engine replaced since the start. */
  engineRestarts(): number;
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
  engineGauges(registry, source);
  const closeDelay = eventLoopDelay(registry);
  return {
    observeRequest: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    countPairs: (label, count) => pairs.inc({ label }, count),
    countRecordFailures: (count) => lost.inc(count),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
    close: closeDelay,
  };
}

function engineGauges(registry: Registry, source: MetricsSource): void {
  const read: readonly [name: string, help: string, value: () => number][] = [
    ['errata_engine_children', 'Inference children', () => source.engine().children],
    ['errata_engine_children_ready', 'Inference children that judge', () => source.engine().childrenReady],
    ['errata_queue_pairs', 'Pairs that wait', () => source.engine().queuedPairs],
    ['errata_queue_tokens', 'Tokens that wait', () => source.engine().queuedTokens],
  ];
  const registers = [registry];
  for (const [name, help, value] of read)
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  new Counter({
    name: 'errata_engine_restarts_total',
    help: 'Inference children replaced',
    registers,
    collect() {
      this.reset();
      this.inc(source.engineRestarts());
    },
  });
}

/** p99 since the last reading, of this process's event loop. */
function eventLoopDelay(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  new Gauge({
    name: 'errata_event_loop_delay_p99_seconds',
    help: 'Event-loop delay of the HTTP process, 99th percentile since the last scrape',
    registers: [registry],
    collect() {
      this.set(delay.percentile(99) / 1e9);
      delay.reset();
    },
  });
  return () => void delay.disable();
}
