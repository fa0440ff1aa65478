/** The shipped sample of Evidence Inference, and the everyday sentences that came with the model. */
import { readFileSync } from 'node:fs';
import type { Schemas } from '../client/client.js';

export type Label = Schemas['Label'];

/** A pair with the label that its annotators gave it. */
export interface GoldPair {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: Label;
  readonly page_id: string | null;
}

export interface DemoData {
  /** Of pages that the reviewer works through. */
  readonly reviewed: GoldPair[];
  /** Of pages that nobody corrects and nothing is trained on. */
  readonly heldOut: GoldPair[];
  /** Sentences of another kind, which nobody corrects either. */
  readonly everyday: GoldPair[];
}

const ROOT = new URL('../../', import.meta.url);

const WORDS: Readonly<Record<string, Label>> = {
  entailment: 'supports',
  contradiction: 'refutes',
};

export interface Amount {
  readonly reviewedPages: number;
  readonly heldOutPages: number;
  readonly sentences: number;
}

/** The first of each. */
export function readData({ reviewedPages, heldOutPages, sentences }: Amount): DemoData {
  return {
    reviewed: firstPages(readPairs('demo/data/reviewed.jsonl'), reviewedPages),
    heldOut: firstPages(readPairs('demo/data/held-out.jsonl'), heldOutPages),
    everyday: readPairs('models/nli-deberta-v3-tiny/evaluation/snli-test-1000.jsonl').slice(0, sentences),
  };
}

export const countPages = (pairs: readonly GoldPair[]): number => new Set(pairs.map(({ page_id }) => page_id)).size;

function firstPages(pairs: readonly GoldPair[], count: number): GoldPair[] {
  const pages = new Set([...new Set(pairs.map(({ page_id }) => page_id))].slice(0, count));
  return pairs.filter(({ page_id }) => pages.has(page_id));
}

function readPairs(file: string): GoldPair[] {
  const lines = readFileSync(new URL(file, ROOT), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { premise, hypothesis, label, page_id = null } = JSON.parse(line) as Line;
    return { premise, hypothesis, label: WORDS[label] ?? (label as Label), page_id };
  });
}

interface Line {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: string;
  readonly page_id?: string;
}
