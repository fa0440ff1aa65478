/** The shipped pairs as a reviewer meets them: judged by the base model, then corrected or confirmed by their gold label. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import type { Engine } from '../../src/engine/engine.js';
import { softmax } from '../../src/judge/judgement.js';
import { type CheckpointLabel, type Label, labelMap, toLabel } from '../../src/labels.js';
import { packageRoot } from '../../src/package.js';
import type { Text } from '../../src/text/text.js';

export interface GoldPair {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: string;
  readonly page_id?: string;
}

/** A pair with its token ids, and the place of its gold label in the checkpoint's order. */
export interface Example {
  readonly pair: GoldPair;
  readonly ids: Int32Array;
  readonly gold: number;
}

export interface Answer {
  readonly label: number;
  readonly confidence: number;
}

export const SETS = {
  reviewed: path.join('demo', 'data', 'reviewed.jsonl'),
  held_out: path.join('demo', 'data', 'held-out.jsonl'),
  general: path.join('models', 'nli-deberta-v3-tiny', 'evaluation', 'snli-test-1000.jsonl'),
} as const;

export function readPairs(file: string): GoldPair[] {
  const lines = readFileSync(path.join(packageRoot, file), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as GoldPair);
}

export async function examplesOf(text: Text, checkpoint: Checkpoint, pairs: readonly GoldPair[]): Promise<Example[]> {
  const labels = labelMap(Object.fromEntries(checkpoint.config.id2label.entries()));
  const encoded = await text.encode(pairs.map(({ premise, hypothesis }) => ({ premise, hypothesis })));
  return encoded.map((one, i) => {
    if (!('ids' in one)) throw new Error(`pair ${i} of the shipped data: ${one.detail}`);
    return { pair: pairs[i]!, ids: one.ids, gold: placeOf(labels, pairs[i]!.label) };
  });
}

function placeOf(labels: readonly CheckpointLabel[], word: string): number {
  const wanted: Label | undefined = toLabel(word);
  return labels.findIndex(({ label }) => label === wanted);
}

/** What the engine answers, in the order of the examples; `adapter` is a digest that it holds, null the base model. */
export async function answersOf(
  engine: Engine,
  examples: readonly Example[],
  adapter: string | null,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let from = 0; from < examples.length; from += 512) {
    const rows = examples.slice(from, from + 512).map(({ ids }) => ids);
    for (const logits of await engine.classify(rows, { adapter })) answers.push(answerOf(logits!));
  }
  return answers;
}

function answerOf(logits: Float32Array): Answer {
  const shares = softmax(logits);
  const confidence = Math.max(...shares);
  return { label: shares.indexOf(confidence), confidence };
}

export interface Review {
  /** Answered wrongly, surer than `above`. */
  readonly corrections: Example[];
  /** Answered rightly, as sure. */
  readonly confirmations: Example[];
}

export function reviewOf(examples: readonly Example[], answers: readonly Answer[], above = 0.8): Review {
  const right = (i: number): boolean => answers[i]!.label === examples[i]!.gold;
  const sure = (i: number): boolean => answers[i]!.confidence > above;
  return {
    corrections: examples.filter((_, i) => !right(i) && sure(i)),
    confirmations: examples.filter((_, i) => right(i) && sure(i)),
  };
}
