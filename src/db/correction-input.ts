/** What a client says of a pair, in one of three forms; what is wrong with it; and its digest. */
import type { Label } from '../labels.js';
import { LIMITS } from '../limits.js';
import type { ProblemCode } from '../errors.js';
import type { ItemError } from './correction-rows.js';
import { normaliseText, sha256 } from './pair-key.js';
import type { ConfidenceSource, ReviewSource } from './schema.js';

export interface CorrectionInput {
  readonly prediction_id?: string | null;
  readonly pair_id?: string | null;
  readonly premise?: string;
  readonly nli_hypothesis?: string;
  readonly original_label?: Label;
  readonly original_confidence?: number;
  readonly correct_label: Label;
  readonly page_id?: string | null;
  readonly edge_id?: string | null;
  readonly external_id?: string | null;
  readonly reviewer?: string | null;
  readonly reason?: string | null;
  readonly review_source?: ReviewSource;
  /** With an id it is a row of an export, which comes back as it was. */
  readonly id?: string;
  readonly created_at?: string;
  readonly confidence_source?: ConfidenceSource;
  readonly original_raw_label?: string | null;
  readonly model_digest?: string | null;
  readonly adapter_digest?: string | null;
  readonly content_sha256?: string;
}

const given = (value: unknown): boolean => value !== undefined && value !== null;

export type Form = 'restored' | 'prediction' | 'pair_id' | 'full';

export function formOf(input: CorrectionInput): Form {
  if (input.id !== undefined) return 'restored';
  if (given(input.prediction_id)) return 'prediction';
  return input.premise === undefined && input.nli_hypothesis === undefined && given(input.pair_id) ? 'pair_id' : 'full';
}

export function itemError(code: ProblemCode, pointer: string, detail: string): ItemError {
  const told = pointer === '' ? detail : `${pointer} ${detail}`;
  return { code, detail: told, errors: [{ pointer, detail }] };
}

const wrong = (pointer: string, detail: string): ItemError => itemError('unprocessable', pointer, detail);

/** What the record of a judgement tells, so the client may not. */
const OF_THE_RECORD = ['pair_id', 'premise', 'nli_hypothesis', 'original_label', 'original_confidence'] as const;

function textFault(name: 'premise' | 'nli_hypothesis', text: string | undefined): ItemError | null {
  if (text === undefined)
    return wrong(`/${name}`, 'is missing: name a prediction_id, a pair_id, or give premise and nli_hypothesis');
  if (normaliseText(text) === '') return wrong(`/${name}`, 'is empty');
  const most = LIMITS.characters_per_text;
  return text.length > most ? wrong(`/${name}`, `has ${text.length} characters, at most ${most} are taken`) : null;
}

function originalFault({ original_label, original_confidence }: CorrectionInput): ItemError | null {
  if ((original_label === undefined) === (original_confidence === undefined)) return null;
  const missing = original_label === undefined ? 'original_label' : 'original_confidence';
  return wrong(`/${missing}`, 'is missing: original_label and original_confidence go together');
}

function recordFault(input: CorrectionInput, names: readonly (typeof OF_THE_RECORD)[number][], by: string) {
  const named = names.find((name) => given(input[name]));
  return named === undefined ? null : wrong(`/${named}`, `comes from the record when a ${by} is given: leave it out`);
}

function restoredFault(input: CorrectionInput): ItemError | null {
  const needed = [
    'original_label',
    'original_confidence',
    'created_at',
    'confidence_source',
    'reviewer',
    'content_sha256',
  ] as const;
  const missing = needed.find((name) => !given(input[name]));
  return missing === undefined
    ? null
    : wrong(`/${missing}`, 'is missing: a row with an id is a row of an export, whole');
}

/** How far the clock of the machine that exported may be ahead. */
const AHEAD_MS = 3_600_000;

/** A row from the future would outlive every later answer of its reviewer; a day that is none sorts anywhere. */
function timeFault({ created_at }: CorrectionInput, now: number): ItemError | null {
  if (created_at === undefined) return null;
  const time = new Date(created_at);
  if (Number.isNaN(time.getTime()) || time.toISOString() !== created_at) return wrong('/created_at', 'is no date-time');
  return time.getTime() > now + AHEAD_MS ? wrong('/created_at', 'is in the future') : null;
}

const textsFault = (input: CorrectionInput): ItemError | null =>
  textFault('premise', input.premise) ?? textFault('nli_hypothesis', input.nli_hypothesis);

const FAULTS: Readonly<Record<Form, (input: CorrectionInput) => ItemError | null>> = {
  prediction: (input) => recordFault(input, OF_THE_RECORD, 'prediction_id'),
  pair_id: (input) => recordFault(input, ['original_label', 'original_confidence'], 'pair_id'),
  restored: (input) => textsFault(input) ?? restoredFault(input),
  full: (input) => textsFault(input) ?? originalFault(input),
};

/** What no schema tells: members that do not go together, empty texts, times to come. `now`: milliseconds since 1970. */
export const inputFault = (input: CorrectionInput, now: number): ItemError | null =>
  FAULTS[formOf(input)](input) ?? timeFault(input, now);

/** SHA-256 of everything said but the external_id, whatever the order of members; null is the same as not said. */
export function contentDigest(input: CorrectionInput, reviewer: string): string {
  if (input.content_sha256 !== undefined) return input.content_sha256;
  const { external_id: _, ...said } = { review_source: 'volunteered', ...input, reviewer };
  const entries = Object.entries(said).filter(([, value]) => given(value));
  return sha256(JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}
