/** The app on a real port, over the stand-ins. */
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { type AppOptions, buildApp, type Dependencies } from '../../src/app.js';
import type { Prediction, PredictionList } from '../../schemas/predictions.js';
import type { PredictionFilters } from '../../routes/predictions.js';
import { createJudge, type Judge } from '../../src/judge/judge.js';
import type { AdapterRef } from '../../src/db/prediction-rows.js';
import type { NewPrediction } from '../../src/db/record.js';
import type { RecordMode } from '../../src/judge/record.js';
import type { DatabaseHealth } from '../../src/db/database.js';
import { createEmbedding, type Embedding } from '../../src/embedding.js';
import { Problem } from '../../src/errors.js';
import { labelMap } from '../../src/labels.js';
import { OPEN } from '../../src/roles.js';
import { createResultCache } from '../../src/judge/result-cache.js';
import { createMetrics } from '../../src/metrics.js';
import { type EngineBehaviour, type EngineStandIn, engineStandIn, textStandIn } from './stand-ins.js';

export const LABELS_OF_CHECKPOINT = labelMap({ 0: 'contradiction', 1: 'entailment', 2: 'neutral' });
export const ADAPTER: AdapterRef = { id: 'a-1', version: 'v1', digest: 'd1' };

export interface Setup {
  readonly engine?: EngineBehaviour;
  readonly record?: RecordMode;
  /** Whether the database is written to; it is. */
  readonly recording?: boolean;
  /** Thrown by each write of judgements. */
  readonly recordFault?: Error;
  readonly predictions?: Partial<Dependencies['predictions']>;
  /** Corrections and readiness over a real database; without, nothing is there to call. */
  readonly learning?: (judge: Judge) => Pick<Dependencies, 'corrections' | 'readiness'>;
  /** Where judgements are written besides `rows`. */
  readonly recorded?: (rows: readonly NewPrediction[]) => Promise<void>;
  readonly registry?: Partial<Dependencies['registry']>;
  readonly training?: Partial<Dependencies['training']>;
  readonly comparisons?: Partial<Dependencies['comparisons']>;
  readonly liveShadow?: Partial<Dependencies['liveShadow']>;
  readonly adapterBytes?: number;
  readonly webhooks?: Dependencies['webhooks'];
  readonly erase?: Dependencies['erase'];
  readonly erasures?: Dependencies['erasures'];
  readonly embedUrl?: string;
  /** The most that is taken of its server's answer. */
  readonly embedBytes?: number;
  readonly options?: AppOptions;
  /** Who gets in; by default everybody. */
  readonly access?: Dependencies['access'];
  readonly auditLog?: Dependencies['auditLog'];
}

export interface Served {
  readonly url: string;
  readonly app: FastifyInstance;
  readonly engine: EngineStandIn;
  readonly rows: NewPrediction[];
  readonly listed: PredictionFilters[];
}

/** Serves until the test ends. */
export async function serve(t: { teardown(end: () => Promise<unknown>): void }, setup: Setup = {}): Promise<Served> {
  const engine = engineStandIn(setup.engine);
  const rows: NewPrediction[] = [];
  const listed: PredictionFilters[] = [];
  const { embedUrl, embedBytes = 1_000_000 } = setup;
  const embedding =
    embedUrl === undefined ? null : createEmbedding({ url: embedUrl, timeoutMs: 500, maxBytes: embedBytes });
  const app = await buildApp(dependencies(setup, { engine, rows, listed, embedding }), setup.options);
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    app.server.closeAllConnections();
    await app.close();
    await embedding?.close();
  });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, app, engine, rows, listed };
}

const uncalled = (): never => {
  throw new Error('this test has no database of corrections');
};

const NOTHING_LEARNT: Pick<Dependencies, 'corrections' | 'readiness'> = {
  corrections: {
    correct: uncalled,
    store: uncalled,
    withdraw: uncalled,
    onStored: uncalled,
    list: uncalled,
    get: uncalled,
    all: uncalled,
  },
  readiness: uncalled,
};

const DATABASE: DatabaseHealth = {
  writing: 'open',
  reading: 'restarting',
  reason: null,
  restarts: 2,
  groups: 7,
  units: 9,
};

const CACHE = { hits: 11, misses: 12, entries: 10 };

type Parts = Pick<Served, 'engine' | 'rows' | 'listed'> & { readonly embedding: Embedding | null };

function dependencies(setup: Setup, { engine, rows, listed, embedding }: Parts): Dependencies {
  const metrics = createMetrics({ engine: () => engine.status(), database: () => DATABASE, cache: () => CACHE });
  let ids = 0;
  const judge = createJudge({
    model: { name: 'stand-in', digest: 'm1' },
    text: textStandIn,
    cache: createResultCache(0),
    engine,
    labels: LABELS_OF_CHECKPOINT,
    record: {
      mode: setup.record ?? 'best-effort',
      write: async (written) => {
        if (setup.recordFault !== undefined) throw setup.recordFault;
        rows.push(...written);
        await setup.recorded?.(written);
      },
      failed: (_error, count) => metrics.countRecordFailures(count),
    },
    adapters: { resolve: async (name) => ({ active: null, v1: ADAPTER })[name] },
    clock: { now: () => Date.UTC(2026, 0, 2), monotonic: () => performance.now() },
    newId: () => `p-${++ids}`,
    deadlineMs: 10_000,
    maxTokens: 512,
  });
  return {
    ...(setup.learning?.(judge) ?? NOTHING_LEARNT),
    judge,
    engine,
    recording: () => setup.recording ?? true,
    metrics,
    access: setup.access ?? { principal: async () => OPEN },
    auditLog: setup.auditLog ?? (async () => ({ items: [], next_cursor: null })),
    embedding,
    checkpoint: () => ({
      name: 'stand-in',
      digest: 'm1',
      files: { 'model.safetensors': 'f1' },
      labels: LABELS_OF_CHECKPOINT,
      max_tokens: 512,
      precision: { asked: 'float32', used: 'float32', int8: null },
    }),
    modules: () => [
      { name: 'deberta.encoder.layer.0.attention.self.query_proj', shape: [8, 4], lora_target: true, why_not: null },
      { name: 'classifier', shape: [3, 8], lora_target: false, why_not: 'it is the head, which an adapter replaces' },
    ],
    activeAdapter: async () => ADAPTER,
    predictions: {
      list: async (filters): Promise<PredictionList> => {
        listed.push(filters);
        return { items: [], next_cursor: null };
      },
      get: async (): Promise<Prediction | undefined> => undefined,
      ...setup.predictions,
    },
    training: {
      start: unasked,
      cancel: unasked,
      get: async () => undefined,
      list: async () => ({ items: [], next_cursor: null }),
      events: unasked,
      ...setup.training,
    },
    erase: setup.erase ?? notHere,
    erasures: setup.erasures ?? (async () => ({ items: [], next_cursor: null })),
    liveShadow: { get: notHere, set: notHere, ...setup.liveShadow },
    webhooks: setup.webhooks ?? { list: async () => ({ items: [], next_cursor: null }), replay: notHere },
    comparisons: {
      start: notHere,
      list: async () => ({ items: [], next_cursor: null }),
      get: notHere,
      ...setup.comparisons,
    },
    registry: { ...noRegistry, ...setup.registry },
    adapterBytes: setup.adapterBytes ?? 100_000,
  };
}

const absent = (): Promise<never> => Promise.reject(new Problem('not-found', 'there is none'));

const noRegistry: Dependencies['registry'] = {
  active: () => null,
  etag: () => '"base"',
  list: async () => ({ items: [], next_cursor: null }),
  history: async () => ({ items: [], next_cursor: null }),
  get: absent,
  file: absent,
  import: absent,
  promote: absent,
  rollback: absent,
};

const unasked = (): never => {
  throw new Error('this test does not train');
};

const notHere = async (): Promise<never> => {
  throw new Problem('not-found', 'there is no such thing in this setup');
};

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** POST of JSON, or of text or bytes as they are. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answered> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? body : JSON.stringify(body),
  });
  return read(response);
}

export const get = async (url: string): Promise<Answered> => read(await fetch(url));

async function read(response: Response): Promise<Answered> {
  const text = await response.text();
  const json = /[/+]json\b/.test(response.headers.get('content-type') ?? '') && text !== '';
  return { status: response.status, headers: response.headers, body: json ? (JSON.parse(text) as unknown) : text };
}
