/** The use case behind `errata import lyra`: Lyra's corrections and confirmations become ours. */
import type { CorrectionInput, Corrections, Stored } from './correct.js';
import { normaliseText } from '../db/pair-key.js';
import { type LyraConfirmation, type LyraCorrection, openLyra } from '../db/lyra.js';
import { type Label, toLabel } from '../labels.js';
import { COMMAND_LINE, type Sender } from '../roles.js';

export type Dropped =
  | 'later_correction_of_the_edge'
  | 'empty_text'
  | 'unknown_label'
  | 'no_confidence'
  | 'label_changed_without_correction'
  | 'refused';

export interface LyraCounts {
  readonly read: number;
  readonly stored: number;
  readonly replaced: number;
  readonly unchanged: number;
  /** Why the others were left, and how many for each reason. */
  readonly dropped: Readonly<Partial<Record<Dropped, number>>>;
  /** Of those read, how many belong to no page that Lyra knows. */
  readonly without_page: number;
}

export interface LyraReport {
  readonly corrections: LyraCounts;
  readonly confirmations: LyraCounts;
}

const ROWS_PER_COMMIT = 500;
const REVIEWER = 'lyra';
const SENDER: Sender = { key_id: null, by: COMMAND_LINE };

type Translated = CorrectionInput | Dropped;

const blank = (text: string | null): boolean => text === null || normaliseText(text) === '';

const confidenceOf = (value: number | null): number | null =>
  typeof value === 'number' && value >= 0 && value <= 1 ? value : null;

/** Lyra's times as ours; SQLite's own form has no zone and is in UTC. */
function timeOf(text: string | null): { created_at?: string } {
  const zoned = text === null || /(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text.replace(' ', 'T')}Z`;
  const time = new Date(zoned ?? NaN);
  return Number.isNaN(time.getTime()) ? {} : { created_at: time.toISOString() };
}

const labelOf = (word: string | null): Label | undefined => (word === null ? undefined : toLabel(word));

interface Said {
  readonly external_id: string;
  readonly original_label: Label;
  readonly correct_label: Label;
  readonly original_confidence: number;
}

/** Lyra's confidences are calibrated on its side, so they stay what it claims. */
function inputOf(row: LyraCorrection | LyraConfirmation, said: Said): CorrectionInput {
  const { premise, nli_hypothesis, page_id, edge_id, reason, corrected_at } = row;
  return {
    ...said,
    premise: premise ?? '',
    nli_hypothesis: nli_hypothesis ?? '',
    edge_id,
    reviewer: REVIEWER,
    page_id,
    reason,
    ...timeOf(corrected_at),
  };
}

/** Only the first row of an edge: later ones hold an earlier person's label as the "prediction". */
function translateCorrection(row: LyraCorrection, seen: Set<string>): Translated {
  if (seen.has(row.edge_id)) return 'later_correction_of_the_edge';
  seen.add(row.edge_id);
  if (blank(row.premise) || blank(row.nli_hypothesis)) return 'empty_text';
  const [original_label, correct_label] = [labelOf(row.predicted_label), labelOf(row.correct_label)];
  if (original_label === undefined || correct_label === undefined) return 'unknown_label';
  const original_confidence = confidenceOf(row.predicted_confidence);
  if (original_confidence === null) return 'no_confidence';
  return inputOf(row, { external_id: `lyra:correction:${row.id}`, original_label, correct_label, original_confidence });
}

function translateConfirmation(row: LyraConfirmation): Translated {
  if (blank(row.premise) || blank(row.nli_hypothesis)) return 'empty_text';
  const label = labelOf(row.relation);
  if (label === undefined) return 'unknown_label';
  if (row.nli_label !== null && labelOf(row.nli_label) !== label) return 'label_changed_without_correction';
  const original_confidence = confidenceOf(row.confidence);
  if (original_confidence === null) return 'no_confidence';
  const said = { external_id: `lyra:confirmation:${row.edge_id}`, original_label: label, correct_label: label };
  return inputOf(row, { ...said, original_confidence });
}

class Counter {
  readonly #counts = { read: 0, stored: 0, replaced: 0, unchanged: 0, without_page: 0 };
  readonly #dropped: Partial<Record<Dropped, number>> = {};

  read(page_id: string | null): void {
    this.#counts.read += 1;
    if (page_id === null) this.#counts.without_page += 1;
  }

  drop(reason: Dropped): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
  }

  stored(result: Stored): void {
    if ('outcome' in result) this.#counts[result.outcome] += 1;
    else this.drop('refused');
  }

  counts(): LyraCounts {
    return { ...this.#counts, dropped: this.#dropped };
  }
}

async function importAll<R extends { readonly page_id: string | null }>(
  corrections: Pick<Corrections, 'store'>,
  rows: Iterable<R>,
  translate: (row: R) => Translated,
): Promise<LyraCounts> {
  const counter = new Counter();
  let waiting: CorrectionInput[] = [];
  const flush = async (): Promise<void> => {
    const results = waiting.length === 0 ? [] : await corrections.store(waiting, SENDER);
    for (const result of results) counter.stored(result);
    waiting = [];
  };
  for (const row of rows) {
    counter.read(row.page_id);
    const translated = translate(row);
    if (typeof translated === 'string') counter.drop(translated);
    else waiting.push(translated);
    if (waiting.length === ROWS_PER_COMMIT) await flush();
  }
  await flush();
  return counter.counts();
}

/**
 * Stores what Lyra's people corrected and confirmed, each once however often it is imported. Throws Problem
 * 'unprocessable' that names the file and what it lacks.
 */
export async function importLyra(file: string, corrections: Pick<Corrections, 'store'>): Promise<LyraReport> {
  const lyra = openLyra(file);
  try {
    const seen = new Set<string>();
    return {
      corrections: await importAll(corrections, lyra.corrections(), (row) => translateCorrection(row, seen)),
      confirmations: await importAll(corrections, lyra.confirmations(), translateConfirmation),
    };
  } finally {
    lyra.close();
  }
}
