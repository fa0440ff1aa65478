/**
 * In which numbers a checkpoint is served. int8 is asked for, and had only by a checkpoint whose answers survive it: the
 * same pairs are judged in both before the service begins.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Checkpoint } from './checkpoint/checkpoint.js';
import { type Engine, type EngineOptions, openEngine } from './engine/engine.js';
import { writeDurably } from './files.js';
import type { Precision } from './graph/linears.js';
import { softmax } from './judge/judgement.js';
import { packageRoot, packageVersion } from './package.js';
import type { PairTexts, Text } from './text/text.js';
import type { Log } from './log.js';

export type { Precision } from './graph/linears.js';

/** How far int8 answers are from float32 ones. */
export interface Agreement {
  readonly pairs: number;
  /** Share of the pairs that get the same label. */
  readonly agreement: number;
  /** Mean of |score in int8 - score in float32| over all pairs and labels. */
  readonly mean_score_difference: number;
}

export interface PrecisionReport {
  readonly asked: Precision;
  readonly used: Precision;
  /** null: not measured, because int8 was not asked for. */
  readonly int8: (Agreement & { readonly min_agreement: number }) | null;
}

export interface PrecisionParts {
  readonly checkpoint: Checkpoint;
  readonly text: Pick<Text, 'encode'>;
  readonly options: EngineOptions;
  readonly minAgreement: number;
  /** Where what was measured is kept for later starts. */
  readonly directory: string;
  readonly log: Pick<Log, 'error'>;
  /** By default those of models/agreement. */
  readonly pairs?: readonly PairTexts[];
}

/** The engine in the asked precision, or in float32 when int8 changes too many answers. Rejects like openEngine. */
export async function openInPrecision(parts: PrecisionParts): Promise<{ engine: Engine; precision: PrecisionReport }> {
  const { checkpoint, options, minAgreement: min_agreement } = parts;
  const { precision: asked } = options;
  if (asked === 'float32') {
    return { engine: await openEngine(checkpoint, options), precision: { asked, used: asked, int8: null } };
  }
  const int8 = { ...(await agreementOf(parts)), min_agreement };
  const used = int8.agreement >= min_agreement ? 'int8' : 'float32';
  return { engine: await openEngine(checkpoint, { ...options, precision: used }), precision: { asked, used, int8 } };
}

/** Measured once for a checkpoint, a version of Errata, a processor and the pairs; then read. */
async function agreementOf(parts: PrecisionParts): Promise<Agreement> {
  const pairs = parts.pairs ?? (await shippedPairs());
  const file = path.join(parts.directory, 'int8-agreement.json');
  const key = keyOf(parts.checkpoint, pairs);
  const kept = await readKept(file);
  if (kept?.key === key) return kept.agreement;
  const agreement = await measure(parts, pairs);
  await writeDurably(file, `${JSON.stringify({ key, agreement }, null, 2)}\n`).catch((error: unknown) =>
    parts.log.error({ err: error }, 'the agreement of int8 could not be kept: the next start measures it again'),
  );
  return agreement;
}

interface Kept {
  readonly key: string;
  readonly agreement: Agreement;
}

/** A file that is missing or spoilt means measuring again. */
async function readKept(file: string): Promise<Kept | null> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Kept;
  } catch {
    return null;
  }
}

function keyOf({ digest }: Checkpoint, pairs: readonly PairTexts[]): string {
  const about = { digest, pairs, version: packageVersion(), processor: [os.arch(), os.cpus()[0]?.model] };
  return createHash('sha256').update(JSON.stringify(about)).digest('hex');
}

async function measure({ checkpoint, text, options }: PrecisionParts, pairs: readonly PairTexts[]): Promise<Agreement> {
  const encoded = await text.encode([...pairs]);
  const rows = encoded.flatMap((one) => ('ids' in one ? [one.ids] : []));
  const exact = await judgedIn('float32', checkpoint, options, rows);
  const coded = await judgedIn('int8', checkpoint, options, rows);
  return agreementBetween(exact, coded);
}

/** Some batches' worth. */
const ROWS_AT_ONCE = 32;

async function judgedIn(
  precision: Precision,
  checkpoint: Checkpoint,
  options: EngineOptions,
  rows: readonly Int32Array[],
): Promise<Scores[]> {
  const engine = await openEngine(checkpoint, { ...options, precision });
  try {
    const scores: Scores[] = [];
    for (let i = 0; i < rows.length; i += ROWS_AT_ONCE) {
      const logits = await engine.classify(rows.slice(i, i + ROWS_AT_ONCE));
      scores.push(...logits.map((row) => row && softmax(row)));
    }
    return scores;
  } finally {
    await engine.close();
  }
}

/** null: the logits were not finite. */
type Scores = readonly number[] | null;

/** Pairs without an answer in one of the two do not agree, and differ by 1. */
export function agreementBetween(exact: readonly Scores[], coded: readonly Scores[]): Agreement {
  const pairs = exact.map((a, i) => [a, coded[i] ?? null] as const);
  const same = pairs.filter(([a, b]) => a && b && top(a) === top(b)).length;
  const differences = pairs.flatMap(([a, b]) => (a && b ? a.map((score, i) => Math.abs(score - b[i]!)) : [1]));
  return {
    pairs: pairs.length,
    agreement: same / pairs.length,
    mean_score_difference: differences.reduce((sum, d) => sum + d, 0) / differences.length,
  };
}

const top = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));

async function shippedPairs(): Promise<PairTexts[]> {
  const lines = await readFile(path.join(packageRoot, 'models', 'agreement', 'pairs.jsonl'), 'utf8');
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PairTexts);
}
