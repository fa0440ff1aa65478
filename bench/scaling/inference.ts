/** Inference against rows, tokens, adapters and children. */
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { randomAdapterTensors } from '../support/adapters.js';
import { idsOf } from '../support/pairs.js';
import { treeMemory } from '../support/process-tree.js';
import { quantile, rounded, timed } from '../support/statistics.js';
import { type Curve, type Point, curve } from './curve.js';

const ROWS = [1, 2, 4, 8, 16, 32, 64, 128];
const TOKENS = [16, 32, 64, 128, 256, 512];
const ADAPTERS = [1, 3, 10, 30, 100, 300, 1000];
const CHILDREN = [1, 2, 4];
const USUAL = { rows: 8, tokens: 64 };
const REPETITIONS = 20;
const CALLERS = 64;
const LOAD_MS = 6000;

/** A request of so many rows of 64 tokens on an idle engine. */
export const againstRows = (checkpoint: Checkpoint): Promise<Curve> =>
  withEngine(checkpoint, {}, async (engine) => {
    const points: Point[] = [];
    for (const rows of ROWS) points.push({ rows, ...(await requests(engine, checkpoint, rows, USUAL.tokens)) });
    return curve('rows', points);
  });

/** A request of 8 rows of so many tokens. */
export const againstTokens = (checkpoint: Checkpoint): Promise<Curve> =>
  withEngine(checkpoint, {}, async (engine) => {
    const points: Point[] = [];
    for (const tokens of TOKENS) points.push({ tokens, ...(await requests(engine, checkpoint, USUAL.rows, tokens)) });
    return curve('tokens', points);
  });

/** 64 callers with one pair each, every one for another of so many adapters by chance. */
export const againstAdapters = (checkpoint: Checkpoint): Promise<Curve> =>
  withEngine(checkpoint, {}, async (engine) => {
    const points: Point[] = [];
    let held = 0;
    for (const adapters of ADAPTERS) {
      for (; held < adapters; held++) await engine.hold(String(held), randomAdapterTensors(checkpoint.config));
      const choose = (): string => String(Math.floor(Math.random() * adapters));
      points.push({ adapters, ...(await load(engine, checkpoint, choose)), memory_mb: memory() });
    }
    return curve('adapters', points);
  });

/** The same load on the base model, by so many children. */
export async function againstChildren(checkpoint: Checkpoint): Promise<Curve> {
  const points: Point[] = [];
  for (const children of CHILDREN) {
    const measured = await withEngine(checkpoint, { children }, async (engine) => ({
      ...(await load(engine, checkpoint, () => null)),
      memory_mb: memory(),
    }));
    points.push({ children, ...measured });
  }
  return curve('children', points);
}

async function withEngine<T>(
  checkpoint: Checkpoint,
  options: Parameters<typeof openEngine>[1],
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await openEngine(checkpoint, options);
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

async function requests(engine: Engine, { config }: Checkpoint, rows: number, tokens: number) {
  const batch = Array.from({ length: rows }, () => idsOf(tokens, config.vocabSize));
  const times = await timed(() => engine.classify(batch), REPETITIONS);
  return { pairs_per_second: rounded((1000 * rows) / quantile(times, 0.5)), ...latency(times) };
}

/** Callers that ask again as soon as they are answered, for a while. */
async function load(engine: Engine, { config }: Checkpoint, choose: () => string | null) {
  const times: number[] = [];
  const caller = async (until: number, into: number[]): Promise<void> => {
    while (performance.now() < until) {
      const started = performance.now();
      await engine.classify([idsOf(USUAL.tokens, config.vocabSize)], { adapter: choose() });
      into.push(performance.now() - started);
    }
  };
  const run = (ms: number, into: number[]): Promise<unknown> =>
    Promise.all(Array.from({ length: CALLERS }, () => caller(performance.now() + ms, into)));
  await run(LOAD_MS / 4, []);
  const started = performance.now();
  await run(LOAD_MS, times);
  const seconds = (performance.now() - started) / 1000;
  return { pairs_per_second: rounded(times.length / seconds), ...latency(times) };
}

const latency = (times: readonly number[]) => ({
  p50_ms: rounded(quantile(times, 0.5)),
  p99_ms: rounded(quantile(times, 0.99)),
});

/** Of this process and its children, pages that they share counted once. */
const memory = (): number => rounded(treeMemory(process.pid), 0);
