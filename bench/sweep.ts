/**
 * `node dist/bench/sweep.js [--json] [--learning-rate 1e-3,3e-3] [--epochs 3,6] [--batch 8] [--replay confirmations] [--precision float32,int8]
 * [--seeds 3] [--pages 100]`: what each combination learns from the shipped pages, measured on pages it never saw and on
 * everyday sentences. The tables of docs/learning.md.
 */
import { withReplay } from '../src/training/replay.js';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { type Engine, openEngine } from '../src/engine/engine.js';
import { packageRoot } from '../src/package.js';
import { RECIPE_DEFAULTS, TRAINING_PRECISIONS, type TrainingPrecision } from '../src/recipe.js';
import { openText } from '../src/text/text.js';
import type { AdapterTensors } from '../src/graph/adapter-feeds.js';
import { type Job, startTraining, type TrainingRows } from '../src/training/supervisor.js';
import { type Example, answersOf, examplesOf, readPairs, type Review, reviewOf, SETS } from './support/reviewed.js';
import { mean, rounded, standardError } from './support/statistics.js';

const MODEL = path.join(packageRoot, 'models', 'nli-deberta-v3-tiny');

interface Combination {
  readonly learning_rate: number;
  readonly epochs: number;
  readonly batch_size: number;
  readonly replay: string;
  readonly precision: TrainingPrecision;
}

/** Shares of right answers on pages and sentences that were not learnt from. */
interface Outcome {
  readonly corrections: number;
  readonly confirmations: number;
  readonly pages: number;
  readonly everyday: number;
}

interface Bench {
  readonly checkpoint: Checkpoint;
  readonly engine: Engine;
  readonly review: Review;
  /** What is measured on, by its name in Outcome. */
  readonly sets: Readonly<Record<keyof Outcome, Example[]>>;
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'learning-rate': { type: 'string', default: '1e-3,3e-3,6e-3' },
    epochs: { type: 'string', default: '3,6' },
    batch: { type: 'string', default: '8' },
    precision: { type: 'string', default: RECIPE_DEFAULTS.precision },
    replay: { type: 'string', default: 'none,confirmations' },
    seeds: { type: 'string', default: '3' },
    pages: { type: 'string', default: '100' },
  },
});

async function main(): Promise<void> {
  const bench = await openBench(Number(values.pages));
  const { corrections, confirmations } = bench.review;
  say(`${corrections.length} corrections and ${confirmations.length} confirmations to learn from`);
  const before = await measured(bench, null);
  say(`before: ${JSON.stringify(before)}`);
  const rows = [];
  for (const combination of combinations()) {
    const outcomes: Outcome[] = [];
    for (let seed = 1; seed <= Number(values.seeds); seed++) {
      outcomes.push(await learn(bench, combination, seed));
      say(JSON.stringify({ ...combination, seed, ...outcomes.at(-1) }));
    }
    rows.push({ ...combination, ...summary(outcomes) });
  }
  await bench.engine.close();
  if (values.json) console.log(JSON.stringify({ before, rows }));
  else console.log(table(before, rows));
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const numbers = (list: string): number[] => list.split(',').map(Number);

const precisions = (list: string): TrainingPrecision[] =>
  TRAINING_PRECISIONS.filter((precision) => list.split(',').includes(precision));

function combinations(): Combination[] {
  return numbers(values['learning-rate']).flatMap((learning_rate) =>
    numbers(values.epochs).flatMap((epochs) =>
      numbers(values.batch).flatMap((batch_size) =>
        values.replay
          .split(',')
          .flatMap((replay) =>
            precisions(values.precision).map((precision) => ({ learning_rate, epochs, batch_size, replay, precision })),
          ),
      ),
    ),
  );
}

async function openBench(pages: number): Promise<Bench> {
  const checkpoint = await openCheckpoint(MODEL);
  const text = await openText({
    tokenizerPath: path.join(MODEL, 'tokenizer.json'),
    tokenizerConfigPath: path.join(MODEL, 'tokenizer_config.json'),
    maxTokens: RECIPE_DEFAULTS.max_tokens,
  });
  const engine = await openEngine(checkpoint);
  const [reviewed, held, everyday] = await Promise.all(
    [SETS.reviewed, SETS.held_out, SETS.general].map((file) => examplesOf(text, checkpoint, readPairs(file))),
  );
  await text.close();
  const learnt = firstPages(reviewed!, pages);
  const review = reviewOf(learnt, await answersOf(engine, learnt, null));
  const { corrections, confirmations } = reviewOf(held!, await answersOf(engine, held!, null));
  return { checkpoint, engine, review, sets: { corrections, confirmations, pages: held!, everyday: everyday! } };
}

function firstPages(examples: readonly Example[], count: number): Example[] {
  const pages = new Set([...new Set(examples.map(({ pair }) => pair.page_id))].slice(0, count));
  return examples.filter(({ pair }) => pages.has(pair.page_id));
}

async function learn(bench: Bench, { replay, ...given }: Combination, seed: number): Promise<Outcome> {
  const { corrections, confirmations } = bench.review;
  const setup: Job['setup'] = {
    ...RECIPE_DEFAULTS,
    ...given,
    seed,
    linears: ['attention.self.query_proj', 'attention.self.value_proj'],
  };
  const adapter = await trained(bench.checkpoint, setup, rowsOf(withReplayed(replay, corrections, confirmations)));
  const digest = `${JSON.stringify(given)} ${replay} ${seed}`;
  await bench.engine.hold(digest, adapter);
  const outcome = await measured(bench, digest);
  bench.engine.forget(digest);
  return outcome;
}

const SILENT_AFTER_MS = 300_000;

/** Rows to learn from: `confirmations` as a run does, `once` without repeating any. */
function withReplayed(replay: string, corrections: readonly Example[], confirmations: readonly Example[]): Example[] {
  if (replay === 'none') return [...corrections];
  if (replay === 'once') return [...corrections, ...confirmations.slice(0, corrections.length)];
  if (replay === 'confirmations') return withReplay(corrections, confirmations);
  throw new Error(`--replay takes none, once and confirmations, not ${replay}`);
}

async function trained(checkpoint: Checkpoint, setup: Job['setup'], rows: TrainingRows): Promise<AdapterTensors> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'errata-sweep-'));
  const job = { digest: 'sweep', checkpoint, setup, rows, directory, states: [], children: os.availableParallelism() };
  const listener = { onProgress: () => undefined, silentAfterMs: SILENT_AFTER_MS };
  const outcome = await startTraining(job, listener).outcome;
  rmSync(directory, { recursive: true });
  if (outcome.kind !== 'trained') throw new Error(outcome.reason);
  return outcome.adapter;
}

function rowsOf(examples: readonly Example[]): TrainingRows {
  return {
    ids: Int32Array.from(examples.flatMap(({ ids }) => Array.from(ids))),
    lengths: Int32Array.from(examples, ({ ids }) => ids.length),
    labels: Int32Array.from(examples, ({ gold }) => gold),
  };
}

async function measured({ engine, sets }: Bench, adapter: string | null): Promise<Outcome> {
  const entries: [string, number][] = [];
  for (const [name, examples] of Object.entries(sets)) {
    const answers = await answersOf(engine, examples, adapter);
    entries.push([name, mean(examples.map(({ gold }, i) => Number(answers[i]!.label === gold)))]);
  }
  return Object.fromEntries(entries) as unknown as Outcome;
}

type Summary = Readonly<Record<keyof Outcome, { readonly mean: number; readonly standard_error: number }>>;

/** In percent. */
function summary(outcomes: readonly Outcome[]): Summary {
  const of = (key: keyof Outcome) => {
    const shares = outcomes.map((outcome) => 100 * outcome[key]);
    return { mean: rounded(mean(shares)), standard_error: rounded(standardError(shares)) };
  };
  return {
    corrections: of('corrections'),
    confirmations: of('confirmations'),
    pages: of('pages'),
    everyday: of('everyday'),
  };
}

function table(before: Outcome, rows: readonly (Combination & Summary)[]): string {
  const cell = ({ mean: value, standard_error }: Summary['pages']): string => `${value} ± ${standard_error}`;
  const base = Object.values(before).map((share: number) => String(rounded(100 * share)));
  return [
    '| lr | epochs | batch | replay | precision | corrections | confirmations | held-out pages | everyday |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    `| base model | | | | | ${base.join(' | ')} |`,
    ...rows.map((row) => {
      const what = [row.learning_rate, row.epochs, row.batch_size, row.replay, row.precision].join(' | ');
      return `| ${what} | ${[row.corrections, row.confirmations, row.pages, row.everyday].map(cell).join(' | ')} |`;
    }),
  ].join('\n');
}

await main();
