/**
 * `npm run -s bench:quick -- --json`: one line of JSON in under a minute, comparable over commits: each work's time divided
 * by the time of a fixed float32 matrix product that runs right before it. A ratio that grows is a regression, however
 * fast the machine was at that hour.
 */
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { openEngine } from '../src/engine/engine.js';
import { packageRoot } from '../src/package.js';
import { RECIPE_DEFAULTS, type TrainingPrecision } from '../src/recipe.js';
import { openText } from '../src/text/text.js';
import { idsOf, tokenizerOf } from './peers/contenders.js';
import { SETTLE_MS, timesFaster } from './peers/interleave.js';
import { randomAdapterTensors } from './support/adapters.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { openGemm } from './support/gemm.js';
import { machine } from './support/machine.js';
import { idsOf as randomIds, pairOf } from './support/pairs.js';
import { SETS, readPairs } from './support/reviewed.js';
import { judge, startServer } from './support/server.js';
import { median, quantile, rounded } from './support/statistics.js';
import { openSteps, trainingExamples } from './support/training.js';

const GEMM_SIZE = 2048;
const ROUNDS = 15;
const WARM_UP = 2;
/** The quantile that a disturbed machine changes least. */
const LOW = 0.1;
const TOKENS = 64;
const ADAPTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const BANK_ROWS = 4;
const TEXT_PAIRS = 64;

type Works = Readonly<Record<string, () => Promise<unknown>>>;

/** What is measured, and how what was opened for it is closed. */
interface Opened {
  readonly works: Works;
  close(): Promise<unknown>;
  /** Of a round, where that is counted. */
  tokens?(): number;
}

async function inference(checkpoint: Checkpoint): Promise<Opened> {
  const engine = await openEngine(checkpoint);
  for (const digest of ADAPTERS) await engine.hold(digest, randomAdapterTensors(checkpoint.config));
  const row = (): Int32Array => randomIds(TOKENS, checkpoint.config.vocabSize);
  const eight = Array.from({ length: 8 }, row);
  const works = {
    'inference 1x64': () => engine.classify([eight[0]!]),
    'inference 8x64': () => engine.classify(eight),
    'mixed bank 4x64 by 8 adapters': () => engine.classify(eight.slice(0, BANK_ROWS), { adapters: ADAPTERS }),
  };
  return { works, close: () => engine.close() };
}

async function training(checkpoint: Checkpoint): Promise<Opened> {
  const inPrecision = (precision: TrainingPrecision) =>
    openSteps(checkpoint, { children: os.availableParallelism(), threads: 1, precision });
  const [exact, usual] = [await inPrecision('float32'), await inPrecision(RECIPE_DEFAULTS.precision)];
  const lengths = Array.from({ length: 8 }, () => TOKENS);
  const batch = trainingExamples(lengths, checkpoint.config);
  const works = {
    'training step 8x64': () => exact.step(batch),
    [`training step 8x64, ${RECIPE_DEFAULTS.precision}`]: () => usual.step(batch),
  };
  return { works, close: () => Promise.all([exact.close(), usual.close()]) };
}

/** Other pairs in every round: texts that were seen are found in the tokenizer's cache. */
async function tokenizer({ directory }: Checkpoint): Promise<Opened> {
  const text = await openText(tokenizerOf(directory));
  const pairs = readPairs(SETS.reviewed);
  let [at, tokens] = [0, 0];
  const work = async (): Promise<void> => {
    const rows = await idsOf(text, pairs.slice(at, (at += TEXT_PAIRS)));
    tokens += rows.reduce((sum, { length }) => sum + length, 0);
  };
  return { works: { [TOKENIZER]: work }, close: () => text.close(), tokens: () => tokens / (ROUNDS + WARM_UP) };
}

const TOKENIZER = `tokenizer, ${TEXT_PAIRS} real pairs`;

async function http({ directory }: Checkpoint): Promise<Opened> {
  const server = await startServer({ ERRATA_MODEL: directory, ERRATA_RECORD: 'off' });
  let seed = 0;
  const work = (): Promise<void> => judge(server.url, [pairOf(TOKENS, ++seed)]);
  return { works: { 'HTTP, one pair of 64 tokens': work }, close: () => server.stop() };
}

interface Measured {
  readonly gemm: number[];
  readonly own: number[];
}

/** Every work once a round, each right after the fixed product. */
async function measure(works: Works): Promise<Record<string, Measured>> {
  const gemm = await openGemm(os.availableParallelism(), GEMM_SIZE);
  const found: Record<string, Measured> = {};
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(works)) {
      const [product, own] = [await msOf(() => gemm.run()), await msOf(work)];
      if (round < 0) continue;
      const { gemm: products, own: times } = (found[name] ??= { gemm: [], own: [] });
      products.push(product);
      times.push(own);
    }
  }
  return found;
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  await pause(SETTLE_MS);
  const started = performance.now();
  await work();
  return performance.now() - started;
}

function reportOf(found: Readonly<Record<string, Measured>>, tokens: number): object {
  const of = <T>(figure: (work: Measured) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(found).map(([name, work]) => [name, figure(work)]));
  return {
    commit: spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: packageRoot, encoding: 'utf8' }).stdout.trim(),
    ...machine(),
    gemm: `${GEMM_SIZE}³ float32 on all cores`,
    gemm_ms: rounded(median(Object.values(found).flatMap(({ gemm }) => gemm)), 2),
    times_the_gemm: of(({ gemm, own }) => timesFaster(gemm, own)),
    best_by_best: of(({ gemm, own }) => rounded(quantile(own, LOW) / quantile(gemm, LOW), 2)),
    median_ms: of(({ own }) => rounded(median(own), 2)),
    tokenizer_tokens_per_second: rounded((1000 * tokens) / median(found[TOKENIZER]!.own), 0),
  };
}

const checkpoint = await openCheckpoint(await benchCheckpoint());
const opened: Opened[] = [];
for (const open of [inference, training, tokenizer, http]) opened.push(await open(checkpoint));
const figures = await measure(Object.assign({}, ...opened.map(({ works }) => works)) as Works);
await Promise.all(opened.map(({ close }) => close()));
const tokens = opened.reduce((sum, one) => sum + (one.tokens?.() ?? 0), 0);
console.log(JSON.stringify(reportOf(figures, tokens)));
